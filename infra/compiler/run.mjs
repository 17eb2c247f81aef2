// Runs Python code in Pyodide: node run.mjs FOLDER CODE. The code sees FOLDER as /folder; `done` says whether it succeeded.
import { loadPyodide } from "pyodide";

const [folder, code] = process.argv.slice(2);
const pyodide = await loadPyodide();
pyodide.mountNodeFS("/folder", folder);
pyodide.runPython(code);
process.exit(pyodide.globals.get("done") ? 0 : 1);
