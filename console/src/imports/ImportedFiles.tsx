import Box from "@cloudscape-design/components/box";

export default function ImportedFiles() {
  return <Box variant="h1">ImportedFiles</Box>;
}
