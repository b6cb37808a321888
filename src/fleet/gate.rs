//! The last look at a plan before it may be applied.

use super::plan::Plan;
use super::refusal::{Refusal, RefusalKind};

/// Refuses a plan that removes or replaces more deckies than `max_removals` allows; without a
/// bound every plan passes.
pub fn gate(plan: &Plan, max_removals: Option<usize>) -> Result<(), Refusal> {
    let (count, Some(most)) = (plan.removals_count(), max_removals) else { return Ok(()) };
    if count <= most {
        return Ok(());
    }
    let summary = plan.summary();
    Err(Refusal::new(
        RefusalKind::Refused,
        format!(
            "the plan takes away {count} deckies ({} removed, {} replaced) and --max-removals allows {most}; nothing was changed",
            summary.remove, summary.replace
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fixtures::{Case, deployed, pinned, spec};
    use crate::fleet::{Mode, RefusalKind};

    #[test]
    fn removed_and_replaced_deckies_count() {
        let fleet = deployed(vec![spec("a"), spec("b"), spec("c")]);
        let plan = Case::new(Mode::Replace, fleet, vec![pinned("a", "192.168.1.99"), spec("b")]).ok();
        assert_eq!(plan.removals_count(), 2);
        assert_eq!(gate(&plan, None), Ok(()));
        assert_eq!(gate(&plan, Some(2)), Ok(()));
        let refusal = gate(&plan, Some(1)).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Refused);
        assert!(refusal.message.contains("2 deckies (1 removed, 1 replaced)"), "{}", refusal.message);
        assert!(refusal.message.contains("allows 1"), "{}", refusal.message);
    }
}
