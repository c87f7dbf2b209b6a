// follow.mjs -- rollouts as the event stream tells them.

export class Follower {
  /** `each(rollout, before)` is called for every `rollout` event; before is the last one of the same rollout. */
  constructor(cqed, each = () => {}) {
    this.latest = new Map()
    this.error = null
    this.stream = cqed.events((event, data) => {
      if (event !== 'rollout') return
      each(data, this.latest.get(data.id))
      this.latest.set(data.id, data)
    })
  }

  close() {
    this.stream.close()
  }

  /** Wait until the events say so; the answer is the rollout. */
  until(programs, id, what, test, options = {}) {
    return programs.until(what, () => {
      const rollout = this.latest.get(id)
      return rollout && test(rollout) ? rollout : null
    }, { timeoutMs: 60_000, ...options })
  }
}

export const isFinal = ({ state }) => ['succeeded', 'rolled_back', 'cancelled', 'superseded'].includes(state.state)
