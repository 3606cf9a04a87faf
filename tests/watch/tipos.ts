// What a dashboard of ours must be: the types of @grafana/schema, where a word of a closed set may be written as JSON
// writes it, and where options and field settings are those of each kind of panel and not just anything.
import type { AnnotationQuery, Dashboard, FieldConfig, MatcherConfig, Panel, RowPanel } from "@grafana/schema";
import type * as heatmap from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen.d.ts";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts";
import type * as history from "@grafana/schema/dist/esm/raw/composable/statushistory/panelcfg/x/StatusHistoryPanelCfg_types.gen.d.ts";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts";
import type * as series from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts";

/** Enumerations as their values; everything else as it is. */
type Plain<T> = T extends string
  ? `${T}`
  : T extends number
    ? number extends T
      ? number
      : `${T}` extends `${infer N extends number}`
        ? N
        : never
    : T extends boolean | null | undefined
      ? T
      : T extends (infer U)[]
        ? Plain<U>[]
        : T extends object
          ? { [K in keyof T]: Plain<T[K]> }
          : T;

/** The Prometheus that the variable `datasource` names. */
interface Source {
  type: "prometheus";
  uid: "${datasource}";
}

/** A question to Prometheus; @grafana/schema has no type of it. */
interface Query {
  refId: string;
  datasource: Source;
  expr: string;
  legendFormat: string;
  editorMode: "code";
  instant: boolean;
  range: boolean;
  exemplar?: boolean;
  format?: "time_series" | "table" | "heatmap";
}

/** One panel: title, description, unit and source are never left out. */
interface Kind<Type extends string, Options, Custom>
  extends Omit<
    Plain<Panel>,
    "type" | "title" | "description" | "datasource" | "targets" | "fieldConfig" | "options"
  > {
  type: Type;
  title: string;
  description: string;
  datasource: Source;
  targets: Query[];
  fieldConfig: {
    defaults: Omit<Plain<FieldConfig>, "custom" | "unit"> & { unit: string; custom?: Partial<Plain<Custom>> };
    overrides: { matcher: Plain<MatcherConfig>; properties: { id: string; value?: unknown }[] }[];
  };
  options: Partial<Plain<Options>>;
}

type OwnPanel =
  | Kind<"stat", stat.Options, never>
  | Kind<"timeseries", series.Options, series.FieldConfig>
  | Kind<"heatmap", heatmap.Options, heatmap.FieldConfig>
  | Kind<"table", table.Options, table.FieldConfig>
  | Kind<"status-history", history.Options, history.FieldConfig>
  | Plain<RowPanel>;

/** What Grafana's Prometheus source keeps in an annotation; @grafana/schema does not know it. */
type Annotation = Plain<AnnotationQuery> & { expr: string; step: string; titleFormat: string };

export type Painel = Omit<Plain<Dashboard>, "panels" | "annotations"> & {
  uid: string;
  annotations: { list: Annotation[] };
  panels: OwnPanel[];
};
