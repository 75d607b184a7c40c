//! The words for where an import stands, the same on every page.

use leptos::prelude::*;
use shared::import::{Import, ImportPhase, ImportStatus};

use crate::ui::Tone;

/// What a person reads.
pub fn label(import: &Import) -> &'static str {
    match (import.status, import.phase) {
        _ if import.cancelling && !import.status.is_final() => "Cancelling",
        (ImportStatus::Queued, _) => "Queued",
        (ImportStatus::Running, Some(ImportPhase::Fetch)) => "Fetching",
        (ImportStatus::Running, Some(ImportPhase::Survey)) => "Reading",
        (ImportStatus::Running, _) => "Loading",
        (ImportStatus::Completed, _) => "Completed",
        (ImportStatus::Failed, _) => "Failed",
        (ImportStatus::Cancelled, _) => "Cancelled",
    }
}

fn tone(import: &Import) -> Tone {
    match import.status {
        ImportStatus::Queued | ImportStatus::Running => Tone::Neutral,
        ImportStatus::Completed => Tone::Good,
        ImportStatus::Failed => Tone::Bad,
        ImportStatus::Cancelled => Tone::Warning,
    }
}

/// A small coloured word; a dot beats while the import is under way.
#[component]
pub fn StatusBadge(#[prop(into)] import: Signal<Import>) -> impl IntoView {
    let running = move || import.with(|import| import.status == ImportStatus::Running);
    view! {
        <span
            class="badge"
            class:badge-live=running
            data-tone=move || import.with(tone).as_str()
            data-testid="import-status"
            data-value=move || import.with(|import| import.status.as_str())
        >
            <span class="badge-dot"></span>
            {move || import.with(label)}
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::tests::import;
    use super::*;

    #[test]
    fn a_cancel_shows_until_the_import_has_ended() {
        let mut import = Import { cancelling: true, status: ImportStatus::Running, ..import() };
        assert_eq!(label(&import), "Cancelling");
        import.status = ImportStatus::Cancelled;
        assert_eq!(label(&import), "Cancelled");
    }
}
