import { defineConfig } from "vite";

export default defineConfig({
  define: {
    // Tells one deployment from the next.
    __BUILT_AT__: JSON.stringify(new Date().toISOString()),
  },
});
