import Box from "@cloudscape-design/components/box";

export default function Status() {
  return <Box variant="h1">Status</Box>;
}
