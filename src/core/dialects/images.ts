/** The public images API (POST /v1/images/generations and /edits), brought to the calls that the Codex client makes itself. */
import {
  compact,
  createIgnoredFields,
  expectArray,
  expectBody,
  expectObject,
  expectText,
  isAbsent,
  type JsonObject,
  optionalBoolean,
  optionalString,
  unsupported,
} from "./parse.ts";

export interface TranslatedImageRequest {
  /** Body for POST /backend-api/codex/images/generations or /edits. */
  body: JsonObject;
  /** Fields accepted without effect; for the response header `x-codex-lb-ignored`. */
  ignored: string[];
}

/** What the Codex client asks for (UPSTREAM B); the backend knows no other. */
const IMAGE_MODEL = "gpt-image-2";

/** Fields of the backend's own calls (codex-api, images.rs). */
const PASSED_ON = ["n", "quality", "size", "background"];
const UNDERSTOOD = new Set([
  ...PASSED_ON,
  ..."prompt model response_format output_format stream partial_images image images mask".split(" "),
]);

/**
 * `edits`: the images to edit, as data URLs or in the body's `images`; null for a generation.
 * Throws `CodedError` 400 with `param`.
 */
export function toImageRequest(
  value: unknown,
  edits: readonly string[] | "in_body" | null,
): TranslatedImageRequest {
  const body = expectBody(value);
  refuseImpossible(body);
  const ignored = createIgnoredFields();
  for (const name of Object.keys(body)) {
    if (!UNDERSTOOD.has(name) && !isAbsent(body[name])) ignored.add(name);
  }
  const model = optionalString(body.model, "model");
  if (model !== undefined && model !== IMAGE_MODEL) ignored.add("model");
  const passedOn = Object.fromEntries(
    PASSED_ON.flatMap((name) => (isAbsent(body[name]) ? [] : [[name, body[name]]])),
  );
  const images = edits === "in_body" ? imagesInBody(body) : edits;
  return {
    body: compact({
      images: images?.map((image_url) => ({ image_url })),
      prompt: expectText(body.prompt, "prompt"),
      background: "auto",
      quality: "auto",
      size: "auto",
      ...passedOn,
      model: IMAGE_MODEL,
    }),
    ignored: ignored.names(),
  };
}

/** How many images a body for that call asks for; one when it does not say. */
export function imageCount({ n }: JsonObject): number {
  return typeof n === "number" && Number.isSafeInteger(n) && n > 0 ? n : 1;
}

function refuseImpossible(body: JsonObject): void {
  const format = optionalString(body.response_format, "response_format");
  if (format !== undefined && format !== "b64_json") {
    throw unsupported("response_format", "images come as b64_json; nothing is stored that a URL could name");
  }
  const output = optionalString(body.output_format, "output_format");
  if (output !== undefined && output !== "png") {
    throw unsupported("output_format", "the Codex backend gives png");
  }
  if (optionalBoolean(body.stream, "stream")) {
    throw unsupported("stream", "the Codex backend gives the whole image at once");
  }
  if (!isAbsent(body.mask)) throw unsupported("mask", "the Codex backend edits without a mask");
}

/** OpenAI's JSON form of an edit: `images: [{image_url}]`. */
function imagesInBody(body: JsonObject): string[] {
  return expectArray(body.images, "images").map((image, index) =>
    expectText(expectObject(image, `images[${index}]`).image_url, `images[${index}].image_url`),
  );
}
