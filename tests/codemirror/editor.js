// The page under test: Prometheus's editor as its own UI sets it up, asking the page's own origin.
import { autocompletion, startCompletion } from '@codemirror/autocomplete'
import { EditorState } from '@codemirror/state'
import { EditorView } from '@codemirror/view'
import { PromQLExtension } from '@prometheus-io/codemirror-promql'

const promql = new PromQLExtension().activateCompletion(true).activateLinter(false)
  .setComplete({ remote: { url: '', httpMethod: 'POST', fetchFn: (resource, options) => fetch(resource, options) } })

const view = new EditorView({
  parent: document.body,
  state: EditorState.create({ doc: '', extensions: [autocompletion({ activateOnTyping: false }), promql.asExtension()] }),
})

// Put the text in, the cursor at the mark |, and ask for completions.
window.complete = text => {
  const at = text.indexOf('|')
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text.replace('|', '') }, selection: { anchor: at } })
  view.focus()
  return startCompletion(view)
}
window.ready = true
