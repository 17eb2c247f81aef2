/** Options of a Select. */
import type { SelectProps } from "@cloudscape-design/components/select";

/** An option whose value is its label. */
export function option(value: string): SelectProps.Option {
  return { value, label: value };
}

/** The option of this value, else the first. */
export function selectedOption(options: SelectProps.Option[], value: string): SelectProps.Option {
  return options.find((known) => known.value === value) ?? options[0]!;
}
