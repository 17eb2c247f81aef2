/** The catalogue: every entity that the user may see. */
import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import { useState } from "react";
import type { Entity } from "../api/types";
import { useEntities } from "../api/useEntities";
import { formatCount } from "../common/format";
import { Name } from "../common/Name";
import { useColumns } from "../common/useColumns";
import { EntityLink, ScreenButton } from "../common/links";
import { isAdmin, useMe } from "../session/useMe";
import { FirstSteps } from "./FirstSteps";

export default function Entities() {
  const me = useMe();
  const read = useEntities({ announce: "always" });
  const entities = read.data ?? (read.isError ? [] : undefined);
  const [search, setSearch] = useState("");
  const columns = useColumns(COLUMNS, { phone: ["name", "fields"], narrow: ["name", "title", "fields"] });
  const wanted = search.toLocaleLowerCase();
  const found = entities?.filter(({ name, title, database }) =>
    [name, title, database].some((text) => text?.toLocaleLowerCase().includes(wanted)),
  );
  return (
    <Table
      variant="full-page"
      stickyHeader
      wrapLines
      loading={!found}
      loadingText="Reading the entities"
      items={found ?? []}
      trackBy="name"
      ariaLabels={{ tableLabel: "Entities" }}
      header={
        <Header
          variant="awsui-h1-sticky"
          counter={entities ? `(${formatCount(entities.length)})` : undefined}
          actions={isAdmin(me) && <ScreenButton to="/entities/new">Create entity</ScreenButton>}
        >
          Entities
        </Header>
      }
      filter={
        <TextFilter
          filteringText={search}
          filteringPlaceholder="Name, title or database"
          filteringAriaLabel="Search entities"
          onChange={({ detail }) => setSearch(detail.filteringText)}
        />
      }
      columnDefinitions={columns}
      empty={
        search || read.isError ? (
          <Box textAlign="center" padding="l">
            {search ? "No entity matches." : "The entities could not be read."}
          </Box>
        ) : (
          <FirstSteps />
        )
      }
    />
  );
}

const COLUMNS: TableProps.ColumnDefinition<Entity>[] = [
  { id: "name", header: "Name", cell: ({ name }) => <EntityLink name={name} />, isRowHeader: true },
  { id: "title", header: "Title", cell: ({ title }) => (title ? <Name>{title}</Name> : "–") },
  { id: "database", header: "Database", cell: ({ database }) => (database ? <Name>{database}</Name> : "–") },
  { id: "type", header: "Data type", cell: ({ dataType }) => dataType },
  { id: "fields", header: "Fields", cell: ({ schema }) => formatCount(schema.fields.length) },
];
