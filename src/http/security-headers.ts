/** What tells a browser to be strict with our pages and answers. */

/**
 * Everything comes from here, and nothing is inline, neither scripts nor styles: what the dashboard places, it places through
 * the document's own objects, which a policy does not concern. `data:` is for the QR code of the second factor.
 */
const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": CONTENT_POLICY,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
};
/** A browser that came over TLS once keeps to it for this long. */
const STRICT_TRANSPORT = "max-age=15552000";

export function pageHeaders(): Record<string, string> {
  return HEADERS;
}

/** Adds them to an answer of the dashboard or the admin API where it has none of its own; by default nothing is kept. */
export function protect({ headers }: Response, { isSecure }: { isSecure: boolean }): void {
  const all = { ...HEADERS, "cache-control": "no-store" };
  for (const [name, value] of Object.entries(all)) if (!headers.has(name)) headers.set(name, value);
  if (isSecure) headers.set("strict-transport-security", STRICT_TRANSPORT);
}
