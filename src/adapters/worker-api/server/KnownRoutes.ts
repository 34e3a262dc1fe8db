/** Which paths the contract has, for answers about paths and methods that it has not. */
import { Api } from "../contract/Api.ts"

interface Known {
  readonly method: string
  readonly path: string
  readonly matches: RegExp
}

const routes: ReadonlyArray<Known> = Object.values(Api.groups).flatMap((group) =>
  Object.values(group.endpoints).map(({ method, path }) => ({
    method,
    path,
    matches: new RegExp(`^${path.replace(/:[a-z_]+/g, "[^/]+")}$`)
  }))
)

/** Fixed paths before those with parameters, as the router takes them. */
const byFit = routes.toSorted((a, b) => (a.path.match(/:/g)?.length ?? 0) - (b.path.match(/:/g)?.length ?? 0))

export const methodsAt = (path: string): ReadonlyArray<string> => [
  ...new Set(routes.filter(({ matches }) => matches.test(path)).map(({ method }) => method))
]

/** The pattern that a path belongs to: few, whatever clients ask for. */
export const routeAt = (path: string): string =>
  byFit.find(({ matches }) => matches.test(path))?.path.replace(/:([a-z_]+)/g, "{$1}") ?? "unknown"
