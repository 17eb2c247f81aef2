import Box from "@cloudscape-design/components/box";

export default function SchemaEditor() {
  return <Box variant="h1">SchemaEditor</Box>;
}
