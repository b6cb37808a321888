//! The longer texts of `--help`.

/// The exit codes, as help and man pages show them.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing to do
  1    failure
  2    usage
  3    fleet file or settings invalid; nothing changed
  4    applied in part
  5    conflict: the guard refused, or the plan is no longer valid; nothing changed
  6    locked or busy; nothing changed
  7    refused: removal bound, empty file, missing consent; nothing changed
  8    declined at the prompt
  9    no such decky; nothing changed
  10   changes pending or drift (only with --exit-code)
  11   something is down (only `status --exit-code`)
  12   this host cannot do it, or the store is newer than the program; nothing changed
  130  interrupted (143: terminated)";

pub(super) const DEPLOY_HELP: &str = "\
Without --replace-fleet a deploy is additive: the file is appended to the fleet, and a name or an
address that the fleet already has is refused (exit 5). With it the file is the whole desired fleet.

Examples:
  decnet deploy                             ./fleet.ini, additive
  decnet deploy --replace-fleet fleet.ini   exactly this file
  decnet deploy -n 5 --archetype linux-server --driver loopback
  decnet export | decnet deploy --replace-fleet -

Exit codes: 0 done or nothing to do, 2 usage, 3 file invalid, 4 applied in part, 5 conflict, 6 busy,
7 refused, 8 declined, 12 the host cannot do this, 130 interrupted. 3, 5, 6, 7, 8, 12: nothing changed.";

pub(super) const PLAN_HELP: &str = "\
Examples:
  decnet plan fleet.ini
  decnet plan --replace-fleet --exit-code fleet.ini    exit 10 when changes are pending
  decnet plan --out fleet.plan fleet.ini && decnet deploy --plan fleet.plan

Symbols: + create, ~ change in place, -/+ replace, ! repair drift, - remove.";

pub(super) const TEARDOWN_HELP: &str = "\
Examples:
  decnet teardown web-01 web-02
  decnet teardown --all --yes
  decnet teardown --all --now     ends every decky at once, even without a store

Exit codes: 0 done, 2 no name and no --all, 4 in part, 7 refused, 8 declined, 9 no such decky.";

pub(super) const EVENTS_HELP: &str = "\
Examples:
  decnet events -f
  decnet events --kind login --since 1h
  decnet events --decky web-01 --service ssh -o json | jq .user
  decnet events --kind login -o hashcat --hash-mode 5600 > ntlm.txt
  decnet events --replay 3f9c0a1b2c3d4e5f --speed 4

`-o json` prints the lines as they are stored (JSON Lines). `-o hashcat` prints each challenge response
once, sorted by mode; modes, counts and what was left out (clear text, kinds without a mode) go to standard
error. Events with a recording say its ID; `--replay ID` plays it without letting it do anything to
the terminal but draw, and into a pipe or file gives the recording itself.";
