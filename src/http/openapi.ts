/** `/api/openapi.json` and `/api-docs`: the admin API described by the schemas of its own routes. */
import { createHash } from "node:crypto";
import type { AnyElysia } from "elysia";
import { asList, asRecord, asText, type JsonRecord } from "../core/json-read.ts";

const METHODS = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);

/** An OpenAPI 3.1 document of every route under `/api`. Typebox schemas are JSON schemas already. */
export function openApiDocument(app: AnyElysia, version: string): JsonRecord {
  const paths: Record<string, JsonRecord> = {};
  for (const { method, path, hooks } of app.routes) {
    if (!METHODS.has(method) || !path.startsWith("/api/")) continue;
    const template = path.replace(/(?<=.)\/$/, "").replaceAll(/:(\w+)/g, "{$1}");
    paths[template] ??= {};
    paths[template][method.toLowerCase()] = operationOf(asRecord(hooks) ?? {});
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "codex-lb admin API",
      version,
      description:
        "Times are ISO-8601 in UTC. Errors are `{error: {code, message}}`. Trailing slashes are accepted.",
    },
    components: { securitySchemes: SECURITY },
    security: Object.keys(SECURITY).map((name) => ({ [name]: [] })),
    paths,
  };
}

const SECURITY = {
  adminToken: { type: "http", scheme: "bearer", description: "The value of CODEX_LB_ADMIN_API_TOKEN." },
  dashboardSession: { type: "apiKey", in: "cookie", name: "codex_lb_dashboard_session" },
};

function operationOf(hooks: JsonRecord): JsonRecord {
  const body = jsonSchema(hooks.body);
  return {
    ...asRecord(hooks.detail),
    parameters: [...parametersOf(hooks.params, "path"), ...parametersOf(hooks.query, "query")],
    ...(body && { requestBody: { content: { [contentTypeOf(body)]: { schema: body } } } }),
    responses: { 200: { description: "Done." }, default: { description: "`{error: {code, message}}`" } },
  };
}

function parametersOf(schema: unknown, place: "path" | "query"): JsonRecord[] {
  const { properties = {}, required = [] } = jsonSchema(schema) ?? {};
  return Object.entries(properties as JsonRecord).map(([name, value]) => {
    const { description, ...rest } = value as JsonRecord;
    return {
      name,
      in: place,
      required: place === "path" || asList(required).includes(name),
      ...(description !== undefined && { description }),
      schema: rest,
    };
  });
}

/** Without what is not JSON: typebox marks its schemas with symbols and functions. */
function jsonSchema(schema: unknown): JsonRecord | null {
  return schema === undefined ? null : asRecord(JSON.parse(JSON.stringify(schema)));
}

function contentTypeOf(schema: JsonRecord): string {
  return JSON.stringify(schema).includes('"format":"binary"') ? "multipart/form-data" : "application/json";
}

/** The document as one page without scripts, and the headers that keep it so. */
export function apiDocsPage(document: JsonRecord): Response {
  const { title, version, description } = document.info as Record<string, string>;
  const byTag = Map.groupBy(operations(document), ({ tag }) => tag);
  const sections = [...byTag].map(
    ([tag, list]) => `<h2>${html(tag)}</h2>${list.map(operationHtml).join("")}`,
  );
  const page = `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>${html(title!)}</title>
<style>${STYLE}</style></head><body><main><h1>${html(title!)} <small>${html(version!)}</small></h1>
<p>${html(description!)} Send <code>Authorization: Bearer</code> with the value of <code>CODEX_LB_ADMIN_API_TOKEN</code>.
Machine-readable: <a href="/api/openapi.json">/api/openapi.json</a>.</p>${sections.join("")}</main></body></html>`;
  const styleHash = createHash("sha256").update(STYLE).digest("base64");
  return new Response(page, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": `default-src 'none'; style-src 'sha256-${styleHash}'; frame-ancestors 'none'`,
    },
  });
}

interface Operation {
  tag: string;
  method: string;
  path: string;
  operation: JsonRecord;
}

function operations(document: JsonRecord): Operation[] {
  return Object.entries(document.paths as Record<string, Record<string, JsonRecord>>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        tag: asText(asList(operation.tags)[0]) ?? "Other",
        method: method.toUpperCase(),
        path,
        operation,
      })),
  );
}

function operationHtml({ method, path, operation }: Operation): string {
  const parameters = asList(operation.parameters).map((entry) => {
    const { name, in: place, description, schema } = entry as Record<string, string>;
    return `<tr><td><code>${html(name!)}</code></td><td>${html(place!)}</td><td>${html(typeText(schema))}</td><td>${html(description ?? "")}</td></tr>`;
  });
  const content = asRecord(asRecord(operation.requestBody)?.content) ?? {};
  const bodies = Object.entries(content).map(
    ([type, value]) =>
      `<p>Body (<code>${html(type)}</code>)</p><pre>${html(JSON.stringify(asRecord(value)?.schema, null, 2))}</pre>`,
  );
  return `<details><summary><b>${method}</b> <code>${html(path)}</code> ${html(asText(operation.summary) ?? "")}</summary>
${parameters.length > 0 ? `<table>${parameters.join("")}</table>` : ""}${bodies.join("")}</details>`;
}

function typeText(schema: unknown): string {
  const { type, const: only, anyOf, items } = asRecord(schema) ?? {};
  if (only !== undefined) return JSON.stringify(only);
  if (Array.isArray(anyOf)) return anyOf.map(typeText).join(" | ");
  if (type === "array") return `${typeText(items)}, repeated`;
  return asText(type) ?? "any";
}

function html(text: string): string {
  return Bun.escapeHTML(text);
}

const STYLE = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0}
main{max-width:60rem;margin:0 auto;padding:1.5rem}code,pre{font-size:.9em}
details{border-top:1px solid #8884;padding:.4rem 0}summary{cursor:pointer}
table{border-collapse:collapse;margin:.5rem 0}td{padding:.15rem .8rem .15rem 0;vertical-align:top}
pre{overflow:auto;background:#8881;padding:.6rem;border-radius:.4rem}`;
