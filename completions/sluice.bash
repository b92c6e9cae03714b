# bash completion for sluice. Written from the program itself; do not edit.

_sluice_words() { while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$1" -- "$cur"); }
_sluice_names() { _sluice_words "$("${COMP_WORDS[0]}" completion names "$1" 2>/dev/null)"; }
_sluice_files() { compopt -o filenames 2>/dev/null; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur"); }

_sluice() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} path='' count=0 index word
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=${COMP_WORDS[index]}
    case $word in
      --folder|--seconds|--config|--last|--state|--for|--reset-day|--network|--on|--stream|--name|--trace|--sample|--seed|--cap|--html|--since|--until|--silent-after|--stuck-after|--device|--identity|--token-file|--listen|--uses|--expires|--policy) ((index++)); continue ;;
      -*) continue ;;
    esac
    case "${path:+$path }$word" in
      'demo'|'run'|'status'|'why'|'history'|'preview'|'doctor'|'pause'|'resume'|'send-now'|'cap'|'cap set'|'cap list'|'cap remove'|'network'|'network list'|'network set'|'stream'|'stream list'|'stream off'|'stream on'|'simulate'|'report'|'pull'|'verify'|'enrol'|'collector'|'collector token'|'collector devices'|'collector devices revoke'|'config'|'config check'|'config show'|'completion'|'service'|'service install'|'service uninstall'|'service status') path="${path:+$path }$word" ;;
      *) ((count++)) ;;
    esac
  done
  case "$path:$previous" in
    'run:--config') _sluice_files; return ;;
    'status:--config') _sluice_files; return ;;
    'why:--config') _sluice_files; return ;;
    'history:--config') _sluice_files; return ;;
    'preview:--config') _sluice_files; return ;;
    'doctor:--config') _sluice_files; return ;;
    'pause:--config') _sluice_files; return ;;
    'pause:--state') _sluice_files; return ;;
    'resume:--config') _sluice_files; return ;;
    'resume:--state') _sluice_files; return ;;
    'send-now:--config') _sluice_files; return ;;
    'cap set:--network') _sluice_names networks; return ;;
    'cap set:--on') _sluice_words 'metered free'; return ;;
    'cap set:--stream') _sluice_names streams; return ;;
    'cap set:--config') _sluice_files; return ;;
    'cap list:--config') _sluice_files; return ;;
    'cap remove:--config') _sluice_files; return ;;
    'network list:--config') _sluice_files; return ;;
    'network set:--config') _sluice_files; return ;;
    'stream list:--config') _sluice_files; return ;;
    'stream off:--config') _sluice_files; return ;;
    'stream on:--config') _sluice_files; return ;;
    'simulate:--trace') _sluice_files; return ;;
    'simulate:--html') _sluice_files; return ;;
    'simulate:--config') _sluice_files; return ;;
    'report:--html') _sluice_files; return ;;
    'pull:--stream') _sluice_names streams; return ;;
    'pull:--identity') _sluice_files; return ;;
    'verify:--identity') _sluice_files; return ;;
    'enrol:--token-file') _sluice_files; return ;;
    'enrol:--config') _sluice_files; return ;;
    'collector:--config') _sluice_files; return ;;
    'collector token:--config') _sluice_files; return ;;
    'collector devices:--config') _sluice_files; return ;;
    'collector devices revoke:--config') _sluice_files; return ;;
    'config check:--policy') _sluice_files; return ;;
    'config show:--config') _sluice_files; return ;;
    'service install:--config') _sluice_files; return ;;
  esac
  if [[ $cur == -* ]]; then
    case $path in
      '') _sluice_words '--version --no-color -h --help' ;;
      'demo') _sluice_words '--folder --seconds --json -h --help' ;;
      'run') _sluice_words '--once --config --json -h --help' ;;
      'status') _sluice_words '--watch --no-color --config --json -h --help' ;;
      'why') _sluice_words '--config --json -h --help' ;;
      'history') _sluice_words '--last --days --config --json -h --help' ;;
      'preview') _sluice_words '--config --json -h --help' ;;
      'doctor') _sluice_words '--online --no-color --config --json -h --help' ;;
      'pause') _sluice_words '--drop --hold --config --state --json -h --help' ;;
      'resume') _sluice_words '--config --state --json -h --help' ;;
      'send-now') _sluice_words '--for --yes --stop --config --json -h --help' ;;
      'cap') _sluice_words '-h --help' ;;
      'cap set') _sluice_words '--reset-day --network --on --stream --pace --config --json -h --help' ;;
      'cap list') _sluice_words '--config --json -h --help' ;;
      'cap remove') _sluice_words '--config --json -h --help' ;;
      'network') _sluice_words '-h --help' ;;
      'network list') _sluice_words '--config --json -h --help' ;;
      'network set') _sluice_words '--name --config --json -h --help' ;;
      'stream') _sluice_words '-h --help' ;;
      'stream list') _sluice_words '--config --json -h --help' ;;
      'stream off') _sluice_words '--config --json -h --help' ;;
      'stream on') _sluice_words '--config --json -h --help' ;;
      'simulate') _sluice_words '--trace --sample --seed --cap --html --config --json -h --help' ;;
      'report') _sluice_words '--html --since --until --silent-after --stuck-after --json -h --help' ;;
      'pull') _sluice_words '--device --stream --since --latest --identity --json -h --help' ;;
      'verify') _sluice_words '--device --identity --json -h --help' ;;
      'enrol') _sluice_words '--token-file --show --config --json -h --help' ;;
      'collector') _sluice_words '--folder --config --listen -h --help' ;;
      'collector token') _sluice_words '--folder --config --device --uses --expires --create --json -h --help' ;;
      'collector devices') _sluice_words '--folder --config --json -h --help' ;;
      'collector devices revoke') _sluice_words '--folder --config --json -h --help' ;;
      'config') _sluice_words '-h --help' ;;
      'config check') _sluice_words '--policy --json -h --help' ;;
      'config show') _sluice_words '--config --json -h --help' ;;
      'completion') _sluice_words '-h --help' ;;
      'service') _sluice_words '-h --help' ;;
      'service install') _sluice_words '--user --json --dry-run --config -h --help' ;;
      'service uninstall') _sluice_words '--user --json --dry-run --purge -h --help' ;;
      'service status') _sluice_words '--user --json -h --help' ;;
    esac
    return
  fi
  case $path in
    '') _sluice_words 'demo run status why history preview doctor pause resume send-now cap network stream simulate report pull verify enrol collector config completion service' ;;
    'cap') _sluice_words 'set list remove' ;;
    'network') _sluice_words 'list set' ;;
    'stream') _sluice_words 'list off on' ;;
    'collector') _sluice_words 'token devices' ;;
    'collector devices') _sluice_words 'revoke' ;;
    'config') _sluice_words 'check show' ;;
    'service') _sluice_words 'install uninstall status' ;;
  esac
  case "$path:$count" in
    'pause:0') _sluice_words '30m 1h 2h until' ;;
    'cap remove:0') _sluice_names caps ;;
    'network set:0') _sluice_names networks ;;
    'network set:1') _sluice_words 'metered free auto' ;;
    'stream off:0') _sluice_names streams ;;
    'stream on:0') _sluice_names streams ;;
    'report:0') _sluice_files ;;
    'config check:0') _sluice_files ;;
    'completion:0') _sluice_words 'bash zsh fish' ;;
  esac
}

complete -F _sluice sluice
