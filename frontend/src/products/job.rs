//! A change of all products that match: it goes on in the server, and this shows how far it is.

use leptos::prelude::*;
use shared::{
    auth::Permission,
    bulk::{BulkAction, BulkJob},
    job::JobStatus,
    search::ProductFilter,
};
use wasm_bindgen_futures::spawn_local;

use super::catalogue::Catalogue;
use super::requests;
use super::selection::Selection;
use crate::auth::Auth;
use crate::stream::{self, Heard};
use crate::ui::format::{counted, percent, thousands};
use crate::ui::{ProgressBar, Toasts};

/// The job that this tab has begun, or that was under way when the page was opened. Found in the context.
#[derive(Clone, Copy)]
pub struct Jobs {
    job: RwSignal<Option<BulkJob>>,
    starting: RwSignal<bool>,
    catalogue: Catalogue,
}

impl Jobs {
    pub fn provide() -> Self {
        let jobs = Self { job: RwSignal::new(None), starting: RwSignal::new(false), catalogue: Catalogue::expect() };
        provide_context(jobs);
        spawn_local(async move {
            // Who cannot be told of it loses nothing but the sight of it.
            let Ok(list) = requests::jobs().await else { return };
            let running = list.items.into_iter().find(|job| !job.status.is_final());
            if running.is_some() && !jobs.job.is_disposed() && !jobs.is_busy_untracked() {
                jobs.job.set(running);
            }
        });
        jobs
    }

    pub fn expect() -> Self {
        expect_context()
    }

    pub fn is_busy(self) -> bool {
        self.job.with(Option::is_some)
    }

    fn is_busy_untracked(self) -> bool {
        self.job.with_untracked(Option::is_some)
    }

    /// Begins to change all products that match.
    pub fn start(self, action: BulkAction, filter: ProductFilter, count: i64, selection: Selection) {
        if self.starting.get_untracked() {
            return;
        }
        self.starting.set(true);
        let toasts = self.catalogue.toasts;
        spawn_local(async move {
            match requests::change_matching(action, filter, count).await {
                Ok(job) if !self.job.is_disposed() => {
                    self.job.set(Some(job));
                    // Only now the bar of the job takes the place of the selection's, and listens to this one.
                    selection.clear();
                }
                Ok(_) => {}
                Err(problem) => toasts.refuse("The products could not be changed", &problem),
            }
            self.starting.try_set(false);
        });
    }

    fn hear(self, job: BulkJob) -> bool {
        if self.job.is_disposed() {
            return false;
        }
        if !job.status.is_final() {
            self.job.set(Some(job));
            return true;
        }
        tell_end(self.catalogue.toasts, &job);
        self.job.set(None);
        self.catalogue.reload();
        false
    }
}

/// What became of it, in a message.
fn tell_end(toasts: Toasts, job: &BulkJob) {
    let changed = format!("{} {}", counted(job.changed, "product"), done_word(job.action));
    match job.status {
        JobStatus::Cancelled => toasts.warn(format!("Cancelled. {changed} before that")),
        JobStatus::Failed => {
            let reason = job.error.clone().unwrap_or_default();
            toasts.warn(format!("Failed: {reason} {changed} before that"));
        }
        _ => toasts.say(changed),
    }
}

fn done_word(action: BulkAction) -> &'static str {
    match action {
        BulkAction::Activate => "activated",
        BulkAction::Deactivate => "deactivated",
        BulkAction::Delete => "deleted",
    }
}

fn doing_word(action: BulkAction) -> &'static str {
    match action {
        BulkAction::Activate => "Activating",
        BulkAction::Deactivate => "Deactivating",
        BulkAction::Delete => "Deleting",
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
fn share(job: &BulkJob) -> f64 {
    if job.total > 0 { job.done as f64 / job.total as f64 } else { 0.0 }
}

#[component]
pub fn JobBar() -> impl IntoView {
    let (jobs, auth) = (Jobs::expect(), Auth::expect());
    let job = jobs.job;
    if let Some(id) = job.with_untracked(|job| job.as_ref().map(|job| job.id)) {
        stream::listen(requests::job_events_url(id), "state", move |heard: Heard<BulkJob>| match heard {
            Heard::Message(job) => jobs.hear(job),
            // The stream begins with how it stands.
            Heard::Again => true,
        });
    }
    let cancelling = RwSignal::new(false);
    let cancel = move |_| {
        let Some(id) = job.with_untracked(|job| job.as_ref().map(|job| job.id)) else { return };
        cancelling.set(true);
        spawn_local(async move {
            if let Err(problem) = requests::cancel_job(id).await {
                jobs.catalogue.toasts.refuse("It could not be cancelled", &problem);
                cancelling.try_set(false);
            }
        });
    };
    let text = move || {
        job.with(|job| {
            job.as_ref().map(|job| {
                format!("{} {} of {}", doing_word(job.action), thousands(job.done), counted(job.total, "product"))
            })
        })
    };
    let share = Signal::derive(move || job.with(|job| job.as_ref().map(share)));
    let waits = move || job.with(|job| job.as_ref().and_then(|job| job.error.clone()));
    view! {
        <section class="bulk bulk-job" aria-label="Changing products" data-testid="job-bar">
            <div class="job-text">
                <p data-testid="job-text" data-value=move || job.with(|job| job.as_ref().map(|job| job.done))>{text}</p>
                <p class="job-percent">{move || share.get().map(percent)}</p>
            </div>
            <ProgressBar share label="Products that are dealt with" />
            <p class="job-note">{waits}</p>
            <Show when=move || auth.can(Permission::WriteProducts)>
                <button
                    type="button"
                    class="button"
                    data-testid="cancel-job"
                    disabled=move || cancelling.get()
                    on:click=cancel
                >
                    {move || if cancelling.get() { "Cancelling …" } else { "Cancel" }}
                </button>
            </Show>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_over_nothing_has_no_share() {
        let at = chrono::DateTime::from_timestamp(0, 0).expect("a moment");
        let mut job = BulkJob {
            id: 1,
            action: BulkAction::Delete,
            filter: ProductFilter::default(),
            undo_of: None,
            status: JobStatus::Running,
            total: 0,
            done: 0,
            changed: 0,
            error: None,
            created_at: at,
            finished_at: None,
        };
        assert!(share(&job).abs() < f64::EPSILON);
        (job.total, job.done) = (8, 2);
        assert!((share(&job) - 0.25).abs() < f64::EPSILON);
    }
}
