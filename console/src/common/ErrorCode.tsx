/** A kind of error of rows: in words, with its code, which the documentation and the API know it by. */
import Box from "@cloudscape-design/components/box";
import { errorInWords } from "./errorCodes";

export function ErrorCode({ code }: { code: string }) {
  const words = errorInWords(code);
  if (words === code) return code;
  return (
    <>
      {words}{" "}
      <Box variant="small" color="inherit">
        <span className="unbroken">{code}</span>
      </Box>
    </>
  );
}
