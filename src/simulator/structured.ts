/** A smallest value that a JSON schema accepts, for structured output. */

type Schema = Record<string, unknown>;
/** Deeper than any schema here; ends recursive `$ref`s. */
const MAX_DEPTH = 32;

export function sampleOf(schema: unknown, root: unknown = schema, depth = 0): unknown {
  if (typeof schema !== "object" || schema === null || depth > MAX_DEPTH) return null;
  const node = schema as Schema;
  const descend = (child: unknown) => sampleOf(child, root, depth + 1);
  if ("const" in node) return node["const"];
  if (Array.isArray(node["enum"])) return node["enum"][0];
  if (typeof node["$ref"] === "string") return descend(resolve(node["$ref"], root));
  for (const choice of ["anyOf", "oneOf"]) {
    const options = node[choice];
    if (Array.isArray(options))
      return descend(options.find((one) => (one as Schema)["type"] === "null") ?? options[0]);
  }
  if (Array.isArray(node["allOf"])) return Object.assign({}, ...node["allOf"].map(descend));
  const types = Array.isArray(node["type"]) ? node["type"] : [node["type"]];
  const type = types.includes("null") ? "null" : (types[0] ?? ("properties" in node ? "object" : "string"));
  switch (type) {
    case "object": {
      const properties = (node["properties"] ?? {}) as Schema;
      return Object.fromEntries(Object.entries(properties).map(([name, child]) => [name, descend(child)]));
    }
    case "array":
      return Array.from({ length: Number(node["minItems"] ?? 1) }, () => descend(node["items"]));
    case "integer":
    case "number":
      return Number(node["minimum"] ?? 1);
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return "simulated".padEnd(Number(node["minLength"] ?? 0), ".");
  }
}

function resolve(reference: string, root: unknown): unknown {
  let node = root;
  for (const step of reference.replace(/^#\/?/, "").split("/").filter(Boolean)) {
    node = (node as Schema | undefined)?.[step.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return node;
}
