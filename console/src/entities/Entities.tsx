/** The catalogue: every entity that the reader may see. */
import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import { useEffect, useState } from "react";
import { pages } from "../client";
import type { Entity } from "../contract";
import { count, Name } from "../format";
import { EntityLink, ScreenButton } from "../links";
import { isAdmin, useMe } from "../me";
import { showProblem } from "../notices";

export default function Entities() {
  const me = useMe();
  const [entities, setEntities] = useState<Entity[] | null>(null);
  const [search, setSearch] = useState("");
  useEffect(() => {
    pages<Entity>("entities", {}, { wanted: 10_000 }).then(
      ({ items }) => setEntities(items),
      (error: unknown) => {
        setEntities([]);
        showProblem(error);
      },
    );
  }, []);
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
          counter={entities ? `(${count(entities.length)})` : undefined}
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
      columnDefinitions={[
        { id: "name", header: "Name", cell: ({ name }) => <EntityLink name={name} />, isRowHeader: true },
        { id: "title", header: "Title", cell: ({ title }) => (title ? <Name>{title}</Name> : "–") },
        { id: "database", header: "Database", cell: ({ database }) => (database ? <Name>{database}</Name> : "–") },
        { id: "type", header: "Data type", cell: ({ dataType }) => dataType },
        { id: "fields", header: "Fields", cell: ({ schema }) => count(schema.fields.length) },
      ]}
      empty={
        <Box textAlign="center" padding="l">
          {search
            ? "No entity matches."
            : "There is no entity that you may see. Administrators create them and give permissions."}
        </Box>
      }
    />
  );
}
