/** Whose code a function is: what the legend greys out and folds. */
import { KINDS, OMITTED, type Profile } from './decode'

export const MINE = 'mine'
export const FRAMEWORK = 'framework'
export const JDK = 'jdk'
const JAVA = KINDS.indexOf('java')

/** In the order of the legend. Kinds other than Java are groups of their own. */
export const GROUP_LABELS: Record<string, string> = {
  [MINE]: 'My code',
  [FRAMEWORK]: 'Libraries',
  [JDK]: 'JDK',
  native: 'Native',
  cpp: 'C++ (JVM)',
  kernel: 'Kernel',
  class: 'Class',
  other: 'Other',
}

const JDK_PREFIXES = ['java.', 'javax.', 'jdk.', 'sun.', 'com.sun.', 'jakarta.', 'netscape.']

/** Roots of packages that services use and seldom write. */
const FRAMEWORK_PREFIXES = [
  ...['org.springframework.', 'org.apache.', 'org.hibernate.', 'org.eclipse.', 'org.jboss.', 'org.wildfly.'],
  ...[
    'org.glassfish.',
    'org.slf4j.',
    'org.postgresql.',
    'org.mariadb.',
    'org.elasticsearch.',
    'org.opensearch.',
  ],
  ...['org.codehaus.', 'org.aspectj.', 'org.objectweb.', 'org.junit.', 'org.yaml.', 'org.xml.', 'org.w3c.'],
  ...['com.fasterxml.', 'com.google.', 'com.zaxxer.', 'com.mysql.', 'com.mongodb.', 'com.datastax.'],
  ...[
    'com.github.benmanes.',
    'com.squareup.',
    'com.amazonaws.',
    'com.azure.',
    'com.netflix.',
    'com.hazelcast.',
  ],
  ...['io.netty.', 'io.grpc.', 'io.micrometer.', 'io.micronaut.', 'io.quarkus.', 'io.vertx.', 'io.undertow.'],
  ...[
    'io.reactivex.',
    'io.lettuce.',
    'io.opentelemetry.',
    'io.prometheus.',
    'io.jaegertracing.',
    'io.r2dbc.',
  ],
  ...[
    'reactor.',
    'rx.',
    'ch.qos.',
    'kotlin.',
    'kotlinx.',
    'scala.',
    'akka.',
    'groovy.',
    'clojure.',
    'cats.',
    'zio.',
  ],
  ...['net.bytebuddy.', 'net.sf.', 'okhttp3.', 'okio.', 'redis.clients.', 'software.amazon.', 'oracle.'],
]

export function groupOf(name: string, kind: number): string {
  if (kind !== JAVA) return KINDS[kind]
  if (JDK_PREFIXES.some(prefix => name.startsWith(prefix))) return JDK
  return FRAMEWORK_PREFIXES.some(prefix => name.startsWith(prefix)) ? FRAMEWORK : MINE
}

/** The groups that occur, in the order of the legend, each with a function of it. */
export function groupsOf({ functions, kinds, frames }: Profile): { group: string; fn: number }[] {
  const example = new Map<string, number>()
  const seen = new Uint8Array(functions.length)
  for (const fn of frames) {
    if (fn < 0 || seen[fn] === 1) continue
    seen[fn] = 1
    const group = groupOf(functions[fn], kinds[fn])
    if (!example.has(group)) example.set(group, fn)
  }
  return Object.keys(GROUP_LABELS).flatMap(group => {
    const fn = example.get(group)
    return fn === undefined ? [] : [{ group, fn }]
  })
}

/** By function: 1 if it is of one of the groups; undefined if there are none. */
export function inGroups({ functions, kinds }: Profile, groups: readonly string[]): Uint8Array | undefined {
  if (groups.length === 0) return undefined
  return Uint8Array.from(functions, (name, fn) =>
    kinds[fn] !== OMITTED && groups.includes(groupOf(name, kinds[fn])) ? 1 : 0,
  )
}
