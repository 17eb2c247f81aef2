/** The cache of reads: nothing is retried or read again unless a query asks for it. */
import { QueryCache, QueryClient } from "@tanstack/react-query";
import { showProblem, withdrawProblem } from "../common/notices";

declare module "@tanstack/react-query" {
  interface Register {
    queryMeta: {
      /** Shows failed reads at the top of the page: all, or only the first of a query that polls. */
      announce?: "always" | "first";
    };
  }
}

export function createQueryClient(): QueryClient {
  const failures = new Map<string, Error>(); // of reads that have not succeeded since
  return new QueryClient({
    defaultOptions: {
      queries: { retry: false, refetchOnWindowFocus: false, refetchOnReconnect: false, networkMode: "always" },
      mutations: { networkMode: "always" },
    },
    queryCache: new QueryCache({
      onSuccess: (_, query) => {
        const failure = failures.get(query.queryHash);
        if (failure) withdrawProblem(failure);
        failures.delete(query.queryHash);
      },
      onError: (error, query) => {
        failures.set(query.queryHash, error);
        const announce = query.meta?.announce;
        if (announce === "always" || (announce === "first" && query.state.errorUpdateCount === 1)) {
          showProblem(error, () => void query.fetch().catch(() => undefined)); // a failure is shown by this handler again
        }
      },
    }),
  });
}

/** For forms: read whenever one opens, and not again while the user types. */
export const READ_ONCE = { gcTime: 0, staleTime: Infinity } as const;
