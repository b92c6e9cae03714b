import { options } from './options.ts'
import type { MapOption } from './schema.ts'

/** The hand-written part of docs/policy.md. */
export const policyIntroduction = `What IT decides for machines it looks after is a policy: files in \`/etc/sluice/policy.d\` (macOS:
\`/Library/Application Support/Sluice/policy.d\`, Windows: \`%ProgramData%\\Sluice\\policy.d\`) whose names end in \`.yaml\`. They are put over the config
in the order of their names, \`10-fleet.yaml\` before \`20-site.yaml\`, and a running service takes changes up at once. Where there is no such folder there is
no policy. A file may hold any key of [the config](config.md), only those that matter, and a few keys of its own:

\`\`\`yaml
# yaml-language-server: $schema=policy-schema.json
caps: [{ limit: 3 GB, per: month, on: metered }]
streams: [{ name: screens, networks: [free], optional: yes }]
exemptions: [{ because: limited-line, until: 2026-12-31 }]
pause: { longest: 8h }
\`\`\`

[config/policy-example.yaml](../config/policy-example.yaml) is a file to start from. \`sluice config check --policy FILE\` checks one by itself,
\`sluice config check CONFIG --policy FILE\` over a config, and \`sluice config show\` says of every value in effect which file and line it comes from.

## What the worker keeps

No policy takes these away:

- **Pausing.** \`pause.longest\` limits a single pause, to no less than 30 minutes, and a pause may be taken again at once. Without it a pause may
  last until the worker resumes. A pause that was taken before a policy came stays as it is.
- **Stricter caps.** Caps of the policy, of the config and of the worker all count; the tightest decides.
- **Turning off what is optional.** Where a policy or the config says \`optional: yes\` of a stream, the worker may turn it off; what is off stays off
  until they turn it on, whatever a policy says later.
- **Seeing** what was sent, what is held and why, and what would be sent next.

What the worker sets (\`sluice pause\`, \`cap set\`, \`stream off\`) only ever holds more back. Two things are theirs to say that may let more go: what a
network costs (\`network set\`), unless the machine sees roaming or a used-up allowance, and \`send-now\`, which sets aside what is merely inconvenient, never a cap, an
exemption or what is turned off ([reasons](reasons.md)).

## Who may write it

Whoever can change a policy has the rights of IT, so a policy that others could change is refused, and with it all of them. The folder, each file
in it and every folder above belong to root, or to whom the config file belongs, and nobody else may write to them; files are no links. To mend it:

\`\`\`sh
chown -R root: /etc/sluice/policy.d && chmod -R u=rwX,go=rX /etc/sluice/policy.d
\`\`\`

On Windows owners and access lists are not checked: \`%ProgramData%\\Sluice\` must be writable by administrators alone. Nor are access lists on macOS.
Files that do not end in \`.yaml\`, and those whose names begin with a dot, are not read. A test or a container can name another folder by \`SLUICE_POLICY_DIR\`.

## When it is wrong

A wrong file is refused whole, and all that comes with it: a service that starts ends with every problem by file, line and key, and one that runs keeps to the last
good config and says \`config.refused\` ([events](events.md)). What a running service cannot take up, another \`device\` or \`state\`, needs a restart. After a change
that it took up it says \`config.reloaded\`, and goes on with an upload at its byte. A stream that a policy names without saying its \`path\`,
\`purpose\` and \`files\` has to be in the config. \`systemctl reload\`, or SIGHUP where no terminal controls the service, reads everything again at once.`

const rules = { add: 'lists of all files add up' } as const

/** How lists of several files go together, by key; whatever is not here is the last file's. */
export function mergeRows(option: MapOption = options, prefix = ''): string[][] {
  return Object.entries(option.fields).flatMap(([field, each]) => {
    if (each.kind === 'map') return mergeRows(each, `${prefix}${field}.`)
    if (each.kind !== 'list' || each.merge === undefined) return []
    return [[`\`${prefix}${field}\``, each.merge === 'add' ? rules.add : `items of the same \`${each.merge.by}\` are one, key by key; others are added`]]
  })
}
