/** For drizzle-kit: `npx drizzle-kit generate --config drizzle/drizzle.config.ts --name <what>` writes the next migration here. */
import { defineConfig } from "drizzle-kit";

export default defineConfig({ dialect: "sqlite", schema: "./src/store/schema.ts", out: "./drizzle" });
