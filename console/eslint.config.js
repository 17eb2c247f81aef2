import js from "@eslint/js";
import { globalIgnores } from "eslint/config";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(globalIgnores(["src/openapi.d.ts"]), js.configs.recommended, {
  files: ["**/*.{ts,tsx}"],
  extends: [tseslint.configs.recommendedTypeChecked, reactHooks.configs.flat.recommended],
  languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
});
