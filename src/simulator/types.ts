/** The simulator's vocabulary: accounts, scripts of turns, faults and where they strike, the journal, the counters. */
import type { Clock } from "../ports.ts";

/** One quota window of a simulated account. It fills with use and starts afresh when its reset passes. */
export interface SimWindowSpec {
  /** 300 is five hours, 10080 a week, 43200 thirty days. */
  minutes: number;
  /** Default 0. */
  usedPercent?: number;
  /** How much of the window 1,000 tokens (input and output) take. Default 0.01. */
  percentPer1kTokens?: number;
  /** Time to the first reset. Default: the whole length. */
  resetInMs?: number;
}

/** A limit of one metered feature, apart from the plan's own windows. */
export interface SimFeatureLimitSpec {
  /** For people, e.g. "GPT-5.5-Spark". */
  limitName: string;
  /** Becomes the header family `x-codex-<id>-…` without its leading "codex_". */
  meteredFeature: string;
  /** Models whose use fills these windows instead of the plan's. */
  models: string[];
  windows: SimWindowSpec[];
}

export interface SimCredits {
  hasCredits: boolean;
  unlimited: boolean;
  /** Decimal text as upstream writes it, e.g. "12.5". */
  balance: string | null;
}

/** What upstream thinks of the login. Everything but "ok" refuses its access tokens with the matching code. */
export type LoginState =
  "ok" | "token_invalidated" | "token_revoked" | "account_deactivated" | "deactivated_workspace";

/** An account to simulate; every field has a default made from its position. */
export interface SimAccountSpec {
  chatgptAccountId?: string;
  chatgptUserId?: string;
  email?: string;
  /** Default "plus". */
  planType?: string;
  /** In upstream's order: the first is "primary", the second "secondary". Default: 300 and 10080 minutes. `[]`: none. */
  windows?: SimWindowSpec[];
  featureLimits?: SimFeatureLimitSpec[];
  credits?: SimCredits;
  /** Slugs it may use. Default: the whole catalogue. */
  models?: string[];
  /** More input tokens than this fail with context_length_exceeded. Default 272,000. */
  maxContextTokens?: number;
  /** More requests at once than this get a burst 429. Default: no limit. */
  maxConcurrent?: number;
  /** Life of an access token. Default 10 days. */
  accessTokenLifetimeMs?: number;
  /** The first access token is already past its `exp`. Default false. */
  startExpired?: boolean;
  login?: LoginState;
  /** `wham/accounts/check`. Default NO_CONSTRAINT for both. */
  workspaceBackendOrigin?: string;
  accountRoutingOverride?: string;
  /** How many reset credits it owns. Default 0. */
  resetCredits?: number;
}

/** What each path is called in rules, the journal and the counters. */
export const ROUTES = [
  "responses",
  "websocket",
  "compact",
  "models",
  "usage",
  "accounts_check",
  "reset_credits",
  "images",
  "files",
  "transcribe",
  "analytics",
  "other_backend",
  "token",
  "authorize",
  "revoke",
  "device",
  "whoami",
  "unknown",
] as const;
export type RouteName = (typeof ROUTES)[number];
export type SimTransport = "http" | "websocket";

/** Which requests a rule means; every given field must hold. */
export interface Match {
  /** Position in the list of accounts. */
  account?: number;
  model?: string;
  transport?: SimTransport;
  /** Text that occurs in the decoded body. */
  bodyIncludes?: string;
  /** Only in process; cannot come over the control surface. */
  test?: (request: { route: RouteName; account: number | null; bodyText: string }) => boolean;
}

/** How often a rule applies. */
export interface Rule {
  when?: Match;
  /** Matching requests that pass before it applies. Default 0. */
  skip?: number;
  /** How many requests it applies to. Default 1; null: all, until cleared. */
  times?: number | null;
}

/** How the bytes of an event stream travel. Over WebSocket only `gapMs` applies. */
export interface Delivery {
  /** Think-time before each event after the first. Real milliseconds, whatever the clock. Default 0. */
  gapMs?: number;
  /** Cut the stream into pieces of this many bytes, each its own HTTP chunk; 1 splits inside UTF-8 and inside `data:`. */
  pieceBytes?: number;
  /** Pause after each piece, so that each is its own read on the other side (slow drip). Default 0. */
  pieceGapMs?: number;
  /** Default "chunked". "length" computes the whole first; "close" ends by closing the connection. */
  framing?: "chunked" | "length" | "close";
}

/** What a turn answers. */
export type Turn =
  /** Reads the request: prewarm, compaction, tool output, structured output, `please run: …`, else text. */
  | { kind: "auto" }
  | { kind: "text"; text: string; reasoning?: boolean }
  | { kind: "tool_call"; command: string }
  /** An image_generation_call item with a one-pixel PNG. */
  | { kind: "image" }
  /** `events` text deltas of `bytesPerEvent` characters each, between the usual first and last events: huge events, 64 MB replies. */
  | { kind: "filled"; events: number; bytesPerEvent: number }
  /** These events and no others. */
  | { kind: "events"; events: Record<string, unknown>[] }
  /** These bytes as the whole reply body (HTTP only), e.g. a capture. */
  | { kind: "raw"; body: string };

export interface ScriptRule extends Rule {
  turn: Turn;
  delivery?: Delivery;
  /** Sent as x-codex-turn-state (HTTP header, or a response.metadata event over WebSocket). Default: a fresh one per turn. */
  turnState?: string | null;
}

/** Where a fault strikes. Routes other than responses and websocket know only "before_headers". */
export const MOMENTS = ["before_headers", "first_event", "after_created", "after_text"] as const;
export type FaultMoment = (typeof MOMENTS)[number];

/** The failures of upstream that have a name, with the status each arrives under (UPSTREAM: errors). */
export const ERROR_NAMES = [
  "usage_limit_reached",
  "usage_not_included",
  "insufficient_quota",
  "rate_limit_exceeded",
  "rate_limit_retry_after",
  "token_expired",
  "token_invalidated",
  "token_revoked",
  "account_deactivated",
  "deactivated_workspace",
  "forbidden",
  "challenge_page",
  "model_not_supported",
  "model_not_found",
  "not_found",
  "bad_request",
  "context_length_exceeded",
  "cyber_policy",
  "invalid_encrypted_content",
  "invalid_encrypted_content_null_code",
  "previous_response_not_found",
  "websocket_connection_limit_reached",
  "payload_too_large",
  "unprocessable",
  "server_error",
  "bad_gateway",
  "server_is_overloaded",
  "unavailable_retry_after",
  "overloaded_529",
  "redirect",
  "upgrade_required",
] as const;
export type ErrorName = (typeof ERROR_NAMES)[number];

/** What happens. Over WebSocket a status becomes an `error` frame with that status (a refused handshake on route "websocket"). */
export type FaultAct =
  /** Only before headers. */
  | { kind: "error"; name: ErrorName; resetsInSeconds?: number; retryAfterSeconds?: number }
  /** Only before headers. `body`: text as it is, anything else as JSON. */
  | { kind: "status"; status: number; headers?: Record<string, string>; body: unknown }
  /** TCP RST. */
  | { kind: "reset" }
  /** An orderly close without the rest: no status line, or a cut body. */
  | { kind: "cut" }
  /** Nothing more is ever sent; the connection stays open until the other side leaves. */
  | { kind: "hang" }
  /** Only before headers: half a status line, then an orderly close. */
  | { kind: "partial_status_line" }
  /** Goes on as usual after this many real milliseconds. */
  | { kind: "delay"; delayMs: number }
  /** A response.failed event; not before headers. `code` null or unknown text is allowed. */
  | { kind: "failed"; code: string | null; message?: string; resetsInSeconds?: number; planType?: string }
  /** A response.incomplete event; not before headers. */
  | { kind: "incomplete"; reason: string }
  /** An `error` event; not before headers. Without a status Codex ignores it. */
  | { kind: "error_event"; code: string; message?: string; status?: number }
  /** The stream ends properly, without its terminal event; over WebSocket a close frame with `closeCode` (1011). */
  | { kind: "end"; closeCode?: number };

export interface FaultRule extends Rule {
  /** Default "responses", which means model turns over HTTP and over WebSocket. "websocket" means the handshake. */
  route?: RouteName;
  /** Default "before_headers". */
  moment?: FaultMoment;
  act: FaultAct;
}

/** Random faults on model turns, drawn from the simulator's seed in order of arrival. */
export interface Storm {
  /** 0 to 1. */
  probability: number;
  /** Positions that may fail; others always answer. Default: all. */
  accounts?: number[];
  /** What to draw from. Default: STORM_FAULTS. */
  faults?: { moment: FaultMoment; act: FaultAct }[];
  /** Each turn also gets a random delivery (odd pieces, small gaps). Default false. */
  oddDelivery?: boolean;
}

/** The pre-encoded reply: no body parsing, no scripts, no faults, no journal. For measuring what stands in front. */
export interface Canned {
  /** Events of one reply. Default 80. */
  events?: number;
  /** Size of one SSE reply's body, about. Default 20,480. */
  totalBytes?: number;
  /** Pause between events. Default 0: the whole reply in one write. */
  gapMs?: number;
}

/** One received request, or one client frame of a WebSocket. */
export interface JournalEntry {
  id: number;
  atMs: number;
  route: RouteName;
  transport: SimTransport;
  method: string;
  target: string;
  /** In wire order and case; of the handshake for frames. */
  headers: [string, string][];
  bodyBytes: number;
  /** Of the body as it came over the wire. */
  bodySha256: string;
  /** The decoded body when the simulator keeps bodies and it parses. */
  json?: unknown;
  /** Position of the account whose credentials it carried; null: none that is known. */
  account: number | null;
  /** The status answered; 101 for frames; null while open or when none was sent. */
  status: number | null;
  /** The fault that struck, as `moment:kind`; null: none. */
  fault: string | null;
}

export interface Counters {
  /** Everything received, frames included. */
  requests: number;
  /** Model turns being answered now. */
  openRequests: number;
  /** TCP connections open now, WebSockets included. */
  openSockets: number;
  openWebSockets: number;
  /** Model turns whose client left before the end. */
  aborted: number;
  /** Model turns that ran to their proper end. */
  finished: number;
  refreshes: number;
  /** Refresh tokens used a second time: a login lost. Must stay 0. */
  reuseDetections: number;
  faultsFired: number;
  byRoute: Record<string, number>;
}

/** An account as it stands. */
export interface SimAccountView {
  index: number;
  chatgptAccountId: string;
  chatgptUserId: string;
  email: string;
  planType: string;
  login: LoginState;
  windows: { minutes: number; usedPercent: number; resetAtMs: number }[];
  /** Model turns started. */
  turns: number;
  openTurns: number;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
}

/** Changes to an account while it runs. */
export interface SimAccountPatch {
  planType?: string;
  login?: LoginState;
  windows?: SimWindowSpec[];
  credits?: SimCredits;
  models?: string[];
  maxConcurrent?: number;
  resetCredits?: number;
  workspaceBackendOrigin?: string;
  accountRoutingOverride?: string;
  /** Access tokens issued so far answer 401 token_expired from now on (their `exp` may say otherwise). */
  expireAccessTokens?: boolean;
}

export interface SimulatorOptions {
  accounts: SimAccountSpec[];
  /** Time for windows, tokens and the journal; stream pauses always take real time. Default: the system's. */
  clock?: Clock;
  /** Default 1. Same seed and same order of requests: same ids, tokens and storms. */
  seed?: number;
  hostname?: string;
  /** Default 0: any free port. */
  port?: number;
  /** Catalogue entries, verbatim. Default: a small catalogue of the current models. */
  models?: Record<string, unknown>[];
  /** Default 2,000 entries; the oldest go first. */
  journalLimit?: number;
  /** Keep decoded JSON bodies in the journal. Default false. */
  keepBodies?: boolean;
  /** A refresh token may be used again this long after its rotation. Default 0: reuse ends the login. */
  refreshReuseGraceMs?: number;
  /** "mint_account": encrypted content of another account (or of nobody) gets 400. Default. "any": never checked. */
  encryptedContent?: "mint_account" | "any";
  /** "served" (default), or "gone": 404, as newer backends may. */
  compactEndpoint?: "served" | "gone";
  /** `/oauth/authorize`: "redirect" (default) at once, or "page": HTML with a link. */
  authorize?: "redirect" | "page";
  /** Refuse what the real backend refuses: stream not true, store not false, sampling parameters. Default true. */
  strictBodies?: boolean;
}

export interface SimulatorUrls {
  origin: string;
  /** `<origin>/backend-api` */
  backendBaseUrl: string;
  authBaseUrl: string;
}

/** An auth.json file as Codex writes it. */
export interface AuthJson {
  auth_mode: "chatgpt" | "personalAccessToken";
  OPENAI_API_KEY: null;
  tokens?: { id_token: string; access_token: string; refresh_token: string; account_id: string };
  personal_access_token?: string;
  last_refresh?: string;
}

export interface Simulator {
  start(): Promise<SimulatorUrls>;
  /** Closes the listener and every connection. */
  stop(): Promise<void>;
  readonly urls: SimulatorUrls;
  readonly counters: Counters;
  /** Oldest first, bounded. */
  readonly requests: readonly JournalEntry[];
  clearRequests(): void;
  accounts(): SimAccountView[];
  patchAccount(index: number, patch: SimAccountPatch): void;
  /** A new account while running; returns its position. */
  addAccount(spec: SimAccountSpec): number;
  /** A fresh login of that account (a new token family), as a file. */
  issueAuthJson(index: number): AuthJson;
  /** A file that holds a personal access token instead. */
  issuePatJson(index: number): AuthJson;
  addFault(rule: FaultRule): void;
  clearFaults(): void;
  /** Later rules win over earlier ones; `{ kind: "auto" }` answers what no rule takes. */
  addScript(rule: ScriptRule): void;
  clearScripts(): void;
  setStorm(storm: Storm | null): void;
  setCanned(canned: Canned | null): void;
  /** Moves the simulator's time forward over that of its clock. */
  advance(ms: number): void;
  now(): number;
  /** Says yes to a device login; false: no such code. */
  approveDevice(userCode: string, account?: number): boolean;
  /** The account that the next browser logins belong to. Default 0. */
  setLoginAccount(index: number): void;
  /** Resets every open TCP connection. */
  dropConnections(): void;
}
