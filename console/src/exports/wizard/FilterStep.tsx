/** The conditions that records have to meet. */
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { Entity } from "../../api/types";
import { Conditions } from "../Conditions";
import type { StepProps } from "./draft";

export function FilterStep({ draft, change, entity }: StepProps & { entity: Entity | undefined }) {
  const { conditions } = draft;
  const names = (entity?.schema.fields ?? []).map(({ name }) => name);
  return (
    <Container>
      <SpaceBetween size="m">
        <Box>{conditions.length ? "All of these must hold." : "Without conditions, all records are exported."}</Box>
        <Conditions conditions={conditions} names={names} change={(conditions) => change({ conditions })} />
      </SpaceBetween>
    </Container>
  );
}
