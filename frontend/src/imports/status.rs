//! Label and colour of an import's status, the same on every page.

use leptos::prelude::*;
use shared::{
    import::{Import, ImportPhase},
    job::JobStatus,
};

use crate::ui::Tone;

/// Status as the user reads it.
pub fn label(import: &Import) -> &'static str {
    match (import.status, import.phase) {
        _ if import.cancelling && !import.status.is_final() => "Cancelling",
        (JobStatus::Queued, _) => "Queued",
        (JobStatus::Running, _) if is_waiting(import) => "Waiting",
        (JobStatus::Running, Some(ImportPhase::Fetch)) => "Fetching",
        (JobStatus::Running, Some(ImportPhase::Scan)) => "Reading",
        (JobStatus::Running, _) => "Loading",
        (JobStatus::Completed, _) if import.counts.rejected > 0 => "Partly imported",
        (JobStatus::Completed, _) => "Completed",
        (JobStatus::Failed, _) => "Failed",
        (JobStatus::Cancelled, _) => "Cancelled",
        (JobStatus::Unknown, _) => "Unknown",
    }
}

/// Whether the import was interrupted, and waits for its next attempt.
pub fn is_waiting(import: &Import) -> bool {
    import.next_attempt_at.is_some()
}

fn tone(import: &Import) -> Tone {
    match import.status {
        JobStatus::Running if is_waiting(import) => Tone::Warning,
        JobStatus::Queued | JobStatus::Running | JobStatus::Unknown => Tone::Neutral,
        JobStatus::Completed if import.counts.rejected > 0 => Tone::Warning,
        JobStatus::Completed => Tone::Good,
        JobStatus::Failed => Tone::Bad,
        JobStatus::Cancelled => Tone::Warning,
    }
}

/// A small coloured label; its dot pulses while the import is running.
#[component]
pub fn StatusBadge(#[prop(into)] import: Signal<Import>) -> impl IntoView {
    let running = move || import.with(|import| import.status == JobStatus::Running);
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
    use shared::import::Counts;

    use super::super::run::tests::import;
    use super::*;

    #[test]
    fn cancelling_is_shown_until_the_import_has_ended() {
        let mut import = Import { cancelling: true, status: JobStatus::Running, ..import() };
        assert_eq!(label(&import), "Cancelling");
        import.status = JobStatus::Cancelled;
        assert_eq!(label(&import), "Cancelled");
    }

    #[test]
    fn a_partly_rejected_import_is_amber() {
        let mut import = Import { status: JobStatus::Completed, ..import() };
        assert_eq!((label(&import), tone(&import)), ("Completed", Tone::Good));
        import.counts = Counts { read: 2, created: 1, rejected: 1, ..Counts::default() };
        assert_eq!((label(&import), tone(&import)), ("Partly imported", Tone::Warning));
    }
}
