/** Images and transcriptions on `/v1`: adapted to the calls that ChatGPT's own clients make. */
import { imageCount, toImageRequest, type TranslatedImageRequest } from "../core/dialects/images.ts";
import { createIgnoredFields, invalid, type JsonObject, unsupported } from "../core/dialects/parse.ts";
import { responsesDialect } from "../core/dialects/responses.ts";
import { asRecord, asText } from "../core/json-read.ts";
import type { RequestFacts } from "./client-request.ts";
import { followReply } from "./relay.ts";
import { MAX_BODY_BYTES, type RequestBodies } from "./request-bodies.ts";
import { presenceOf } from "./responses.ts";
import { type AnswerShape, type Caller, CLIENT_CLOSED_REQUEST, refuseUnread } from "./serve.ts";
import { plainShape, readJson, type TranslatedPorts } from "./translated.ts";
import { errorResponse, ignoredHeader, jsonResponse, upstreamError } from "./translated-answers.ts";

export interface MediaRelay {
  image(request: Request, call: "generations" | "edits", caller: Caller): Promise<Response>;
  transcription(request: Request, caller: Caller): Promise<Response>;
}

interface MediaCall {
  path: string;
  /** As the log names the request. */
  kind: string;
  images?: number;
  body: Uint8Array;
  contentType: string;
  shape: AnswerShape;
}

type Form = Awaited<ReturnType<Response["formData"]>>;

export function createMediaRelay(ports: TranslatedPorts): MediaRelay {
  const { serving, names, bodies } = ports;

  /** Reads the request with `read` and sends what it makes of it; what it throws is answered in OpenAI's shape. */
  async function relay(request: Request, caller: Caller, read: () => Promise<MediaCall>): Promise<Response> {
    let call: MediaCall;
    try {
      call = await read();
    } catch (error) {
      return refuseUnread(serving, { request, caller, error }, (coded) =>
        errorResponse(responsesDialect, coded, caller.origin.requestId),
      );
    }
    return serving.serve({
      caller,
      facts: { ...NO_TURN, requestKind: call.kind, images: call.images },
      client: presenceOf(request.signal),
      method: "POST",
      path: call.path,
      headers: [
        ["content-type", call.contentType],
        ["accept", "application/json"],
        ["originator", names.originator],
        ["user-agent", names.userAgent],
      ],
      body: call.body,
      contentEncoding: null,
      observe: false,
      shape: call.shape,
    });
  }

  return {
    image: (request, call, caller) =>
      relay(request, caller, async () => {
        const { body, ignored } =
          call === "edits"
            ? await readEdit(request, bodies)
            : toImageRequest(await readJson(request, bodies), null);
        return {
          path: `/codex/images/${call}`,
          kind: "image",
          images: imageCount(body),
          body: Buffer.from(JSON.stringify(body)),
          contentType: "application/json",
          shape: plainShape(ports, presenceOf(request.signal), ignored),
        };
      }),
    transcription: (request, caller) =>
      relay(request, caller, async () => {
        const { form, ignored, plainText } = readTranscription(await readForm(request, bodies));
        const sent = new Response(form);
        const shape = plainShape(ports, presenceOf(request.signal), ignored);
        return {
          path: "/transcribe",
          kind: "transcription",
          contentType: sent.headers.get("content-type")!,
          body: await sent.bytes(),
          shape: plainText ? asPlainText(ports, request, shape, ignored) : shape,
        };
      }),
  };
}

/** Neither model nor conversation takes part in the choice of an account: the catalogue lists models of turns only. */
const NO_TURN: RequestFacts = {
  model: "",
  serviceTier: null,
  reasoningEffort: null,
  keys: [],
  sessionId: null,
  threadId: null,
  turnId: null,
  requestKind: "other",
};

async function readForm(request: Request, bodies: RequestBodies): Promise<Form> {
  const bytes = await bodies.read(request);
  const contentType = request.headers.get("content-type") ?? "";
  try {
    return await new Response(bytes, { headers: { "content-type": contentType } }).formData();
  } catch {
    throw invalid("body", "multipart/form-data was expected");
  }
}

/** OpenAI's SDKs send an edit as a form, with `image` or `image[]`; JSON with `images` is its newer form. */
async function readEdit(request: Request, bodies: RequestBodies): Promise<TranslatedImageRequest> {
  if (request.headers.get("content-type")?.includes("json")) {
    return toImageRequest(await readJson(request, bodies), "in_body");
  }
  const fields: JsonObject = {};
  const images: string[] = [];
  for (const [name, value] of (await readForm(request, bodies)).entries()) {
    if (typeof value === "string") fields[name] = formValue(name, value);
    else if (name === "image" || name === "image[]") images.push(await dataUrl(value));
    else fields[name] = value.name;
  }
  if (images.length === 0) throw invalid("image", "a file was expected");
  return toImageRequest(fields, images);
}

/** A form has texts only. */
function formValue(name: string, value: string): unknown {
  if (name === "n") return Number(value);
  if (name === "stream") return value === "true";
  return value;
}

async function dataUrl(file: File): Promise<string> {
  const bytes = Buffer.from(await file.arrayBuffer());
  return `data:${file.type || "image/png"};base64,${bytes.toString("base64")}`;
}

/** The backend's call takes the recording and its language; it answers `{text}`. */
function readTranscription(form: Form): { form: FormData; ignored: string[]; plainText: boolean } {
  const file = form.get("file");
  if (!(file instanceof Blob)) throw invalid("file", "a file was expected");
  const format = form.get("response_format") ?? "json";
  if (format !== "json" && format !== "text") {
    throw unsupported("response_format", 'the Codex backend gives the text alone: use "json" or "text"');
  }
  if (form.get("stream") === "true") throw unsupported("stream", "the text comes at once");
  const sent = new FormData();
  sent.set("file", file);
  const ignored = createIgnoredFields();
  for (const [name, value] of form.entries()) {
    if (name === "language") sent.set(name, value);
    else if (!["file", "response_format", "stream"].includes(name)) ignored.add(name);
  }
  return { form: sent, ignored: ignored.names(), plainText: format === "text" };
}

/** `response_format: text`: the text of the JSON reply. */
function asPlainText(
  ports: TranslatedPorts,
  request: Request,
  shape: AnswerShape,
  ignored: string[],
): AnswerShape {
  return {
    ...shape,
    async reply(reply, headers, onEnd) {
      const pieces: Uint8Array[] = [];
      let total = 0;
      const { clock, drain } = ports;
      const following = followReply(reply, { client: presenceOf(request.signal), clock, drain, onEnd });
      const how = await following.run(
        (bytes) => {
          total += bytes.byteLength;
          if (total > MAX_BODY_BYTES) throw new Error("the transcription is larger than any recording's");
          pieces.push(bytes);
        },
        () => {},
      );
      if (following.ended()) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
      following.end(how);
      const text = how === "completed" ? textOf(Buffer.concat(pieces)) : null;
      if (text === null) {
        const answer = { status: 502, headers: [], body: new Uint8Array() };
        return jsonResponse(upstreamError(responsesDialect, answer, headers["x-request-id"]), headers);
      }
      return new Response(text, {
        headers: { ...headers, ...ignoredHeader(ignored), "content-type": "text/plain; charset=utf-8" },
      });
    },
  };
}

function textOf(body: Buffer): string | null {
  try {
    return asText(asRecord(JSON.parse(body.toString("utf8")))?.text) ?? "";
  } catch {
    return null;
  }
}
