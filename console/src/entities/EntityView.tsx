import Box from "@cloudscape-design/components/box";

export default function EntityView() {
  return <Box variant="h1">EntityView</Box>;
}
