/** The columns of the file. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import Container from "@cloudscape-design/components/container";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { Entity } from "../../api/types";
import { Name } from "../../common/Name";
import type { StepProps } from "./draft";

export function FieldsStep({ draft, change, entity }: StepProps & { entity: Entity | undefined }) {
  const all = entity?.schema.fields.map(({ name }) => name) ?? [];
  const chosen = draft.fields ?? all;
  const choose = (fields: string[]) => change({ fields: fields.join("\n") === all.join("\n") ? null : fields });
  const move = (from: number, to: number) => {
    const next = [...chosen];
    next.splice(to, 0, ...next.splice(from, 1));
    choose(next);
  };
  return (
    <Container>
      <SpaceBetween size="xs">
        <Box>The columns of the file, in their order.</Box>
        {[...chosen, ...all.filter((name) => !chosen.includes(name))].map((name) => {
          const index = chosen.indexOf(name);
          return (
            <SpaceBetween key={name} direction="horizontal" size="xs" alignItems="center">
              <Button
                variant="icon"
                iconName="angle-up"
                ariaLabel={`Move ${name} up`}
                disabled={index < 1}
                onClick={() => move(index, index - 1)}
              />
              <Button
                variant="icon"
                iconName="angle-down"
                ariaLabel={`Move ${name} down`}
                disabled={index < 0 || index === chosen.length - 1}
                onClick={() => move(index, index + 1)}
              />
              <Checkbox
                checked={index >= 0}
                onChange={({ detail }) =>
                  choose(detail.checked ? [...chosen, name] : chosen.filter((known) => known !== name))
                }
              >
                <Name>{name}</Name>
              </Checkbox>
            </SpaceBetween>
          );
        })}
      </SpaceBetween>
    </Container>
  );
}
