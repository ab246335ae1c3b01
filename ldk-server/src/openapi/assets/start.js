"use strict";

// The filter of the page finds groups only; this one finds calls, by anything that is written of them.
const searchCalls = () => ({
  fn: {
    opsFilter: (groups, phrase) => {
      const words = phrase.toLowerCase().split(/\s+/);
      const isFound = (call) => {
        const text = JSON.stringify(call).toLowerCase();
        return words.every((word) => text.includes(word));
      };
      return groups
        .map((group) => group.update("operations", (calls) => calls.filter(isFound)))
        .filter((group) => group.get("operations").size > 0);
    },
  },
});

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  plugins: [searchCalls],
  filter: true,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  // A rune is kept until the page is left, and nowhere but in its memory.
  persistAuthorization: false,
  validatorUrl: null,
});
