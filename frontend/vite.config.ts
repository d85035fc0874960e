/** Builds the dashboard into `frontend/dist`: hashed assets, nothing inline, nothing from another host. */
import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [solid(), tailwindcss()],
  // The service that `vite dev` asks; the built page asks the one that it came from.
  server: { proxy: { "/api": process.env["CODEX_LB_DEV_SERVICE"] ?? "http://127.0.0.1:2455" } },
  build: {
    // The first browsers that know `light-dark()`, which the two themes are made of, and popovers.
    target: ["chrome123", "edge123", "firefox125", "safari17.5"],
    // The page's policy allows no data: URLs for fonts and scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    license: { fileName: "licences.md" },
    rolldownOptions: {
      output: {
        entryFileNames: "assets/[name]-[hash].js",
        chunkFileNames: "assets/[name]-[hash].js",
        // What pages share goes into one chunk: compressed together it is smaller than in two dozen crumbs.
        codeSplitting: {
          groups: [
            {
              name: "shared",
              test: /lucide-solid|src\/(ui|lib)\/(?!dialog|line-chart|strings)/,
              minShareCount: 2,
            },
          ],
        },
      },
    },
  },
});
