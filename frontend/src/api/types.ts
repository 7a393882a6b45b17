/** Short names of the schemas that the UI reads. The types themselves are generated from the API contract. */
import type { components } from './schema'

type Schemas = components['schemas']

export type ProfileType = Schemas['Type']
export type Amount = Schemas['Amount']
export type Loss = Schemas['Loss']
export type Windows = Schemas['Windows']
export type Coverage = Schemas['Coverage']
export type Service = Schemas['Service']
export type Services = Schemas['Services']
export type Series = Schemas['Series']
export type SeriesPoint = Series['points'][number]
export type SeriesStatus = SeriesPoint['status']
export type Flame = Schemas['Flame']
export type Top = Schemas['Top']
export type Target = Schemas['Target']
export type Targets = Schemas['Targets']
export type TargetStateName = Schemas['TargetState']['state']
export type IngestHealth = Schemas['IngestHealth']
export type ApiErrorBody = Schemas['Error']
