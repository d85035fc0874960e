/** `/api/models`: the models that the pool's accounts may use. */
import { Elysia } from "elysia";
import { type ModelEntry, summariseModels } from "../core/models-catalogue.ts";

export function modelRoutes({ models }: { models(): readonly ModelEntry[] }) {
  return new Elysia({ prefix: "/api", detail: { tags: ["Accounts"] } }).get(
    "/models",
    () => ({ models: summariseModels(models()) }),
    { detail: { summary: "Models with their reasoning efforts" } },
  );
}
