/** What guests see of an answer: the same, with e-mail addresses masked. */

const EMAIL = /([\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]*@([\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+)/gu;
const TEXT = /^(application\/json|text\/)/;

/** `a…@example.com`. */
export function maskEmails(text: string): string {
  return text.replace(EMAIL, "$1…@$2");
}

export async function maskForGuests(response: Response): Promise<Response> {
  const type = response.headers.get("content-type") ?? "";
  if (!TEXT.test(type) || response.body === null) return response;
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  const { status } = response;
  if (!type.startsWith("text/event-stream")) {
    return new Response(maskEmails(await response.text()), { status, headers });
  }
  return new Response(response.body.pipeThrough(byLine(maskEmails)), { status, headers });
}

/** Whole lines at a time: an address may be cut in two by the chunk that carries it. */
function byLine(change: (text: string) => string): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = "";
  return new TransformStream({
    transform(chunk, controller) {
      const text = rest + decoder.decode(chunk, { stream: true });
      const end = text.lastIndexOf("\n") + 1;
      rest = text.slice(end);
      if (end > 0) controller.enqueue(encoder.encode(change(text.slice(0, end))));
    },
    flush(controller) {
      if (rest !== "") controller.enqueue(encoder.encode(change(rest)));
    },
  });
}
