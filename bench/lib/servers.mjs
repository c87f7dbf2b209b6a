// servers.mjs -- those that are compared, each with a port and a data folder of its own. All are asked through the
// same API with the same bytes.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { freePorts } from '../../demo/lib/programs.mjs'
import { cpuSeconds } from './measure.mjs'

// JSON is YAML: no writer of YAML is needed.
const write = (file, value) => writeFileSync(file, JSON.stringify(value, null, 1))

class Server {
  constructor(programs, name, folder) {
    Object.assign(this, { programs, name, folder })
    mkdirSync(folder, { recursive: true })
  }

  /** Start it and wait until it answers. */
  async start() {
    this.port ??= (await freePorts(1))[0]
    this.url = `http://127.0.0.1:${this.port}`
    this.program = this.programs.start(basename(this.folder), ...this.command())
    await this.programs.until(`${this.name} is ready`, async () => (await fetch(`${this.url}/-/ready`)).ok,
      { part: this.program, everyMs: 5, timeoutMs: 120_000 })
  }

  get pid() {
    return this.program.pid
  }

  kill9() {
    return this.programs.end(this.program, 'SIGKILL')
  }

  stop() {
    return this.programs.end(this.program)
  }

  cpu() {
    return cpuSeconds(this.pid)
  }

  /** One query, `range` = { start, end, step } in seconds or `time`: the data of the answer. */
  async ask(query, { range = null, time = null } = {}) {
    const form = range ? { query, ...range } : { query, ...(time ? { time } : {}) }
    const answer = await fetch(`${this.url}/api/v1/query${range ? '_range' : ''}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${this.name} answered ${answer.status} to ${query}: ${text.slice(0, 300)}`)
    return text
  }

  /** The value of a query whose answer is one series; NaN when there is none. */
  async value(query, time) {
    const { result } = JSON.parse(await this.ask(query, { time })).data
    return result.length ? Number(result[0].value[1]) : NaN
  }
}

export class Cqed extends Server {
  constructor(programs, folder, { binary, scrape, slos }) {
    super(programs, 'cqed', folder)
    this.binary = binary
    this.config = join(folder, 'cqed.yaml')
    const policies = slos.map((slo, i) => {
      write(join(folder, `slo${i}.yaml`), slo)
      return `slo${i}.yaml`
    })
    write(this.config, { storage: { path: 'data' }, scrape_configs: scrape, policies })
  }

  command() {
    return [this.binary, ['serve', '-c', this.config, '--listen', `127.0.0.1:${this.port}`]]
  }
}

export class Prometheus extends Server {
  constructor(programs, folder, { scrape, receive = false, program = 'prometheus', features = [] }) {
    super(programs, 'prometheus', folder)
    this.config = join(folder, 'prometheus.yml')
    this.receive = receive
    this.executable = program
    this.features = features
    write(this.config, { scrape_configs: scrape })
  }

  command() {
    return [this.executable, [`--config.file=${this.config}`, `--storage.tsdb.path=${join(this.folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${this.port}`, '--storage.tsdb.retention.time=60d', '--log.level=warn',
      ...(this.receive ? ['--web.enable-remote-write-receiver'] : []),
      ...(this.features.length ? [`--enable-feature=${this.features.join(',')}`] : [])]]
  }
}

export class VictoriaMetrics extends Server {
  constructor(programs, folder, { scrape }) {
    super(programs, 'victoria-metrics', folder)
    this.config = join(folder, 'prometheus.yml')
    write(this.config, { scrape_configs: scrape })
  }

  /** What it got is to be seen at once, without the answers of before. */
  command() {
    return ['victoria-metrics', [`-storageDataPath=${join(this.folder, 'data')}`, `-httpListenAddr=127.0.0.1:${this.port}`,
      '-retentionPeriod=12', '-search.latencyOffset=0s', '-search.disableCache', '-loggerLevel=WARN',
      '-search.maxUniqueTimeseries=2000000', `-promscrape.config=${this.config}`]]
  }
}

/** The fleet's exporter, up and listening. */
export async function startExporter(programs, name, binary, args) {
  const program = programs.start(name, binary, args.map(String))
  const port = await programs.until('the exporter listens',
    () => Number(readFileSync(program.log, 'utf8')), { part: program })
  const url = `http://127.0.0.1:${port}`
  return { program, port, url, stat: async () => (await fetch(`${url}/stat`)).json() }
}
