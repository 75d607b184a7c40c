//! A change of all matching products: it runs on the server, and its progress is shown here.

use std::{ops::ControlFlow, time::Duration};

use leptos::prelude::*;
use shared::{
    auth::Permission,
    bulk::{BulkAction, BulkJob},
    job::JobStatus,
    problem::ErrorCode,
    search::ProductFilter,
};
use wasm_bindgen_futures::spawn_local;

use super::selection::Selection;
use crate::auth::Auth;
use crate::products::list::catalogue::Catalogue;
use crate::products::requests;
use crate::stream::{self, Topic};
use crate::ui::ProgressBar;
use crate::ui::format::{counted, percent, thousands};

/// How long the message at the end of a job offers to undo it.
const UNDO_TIMEOUT: Duration = Duration::from_secs(30);

/// The job that this tab started, or that was running when the page was opened. Provided as context.
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
            // Without the list, only the progress of a running job is not shown.
            let Ok(list) = requests::jobs().await else { return };
            let running = list.items.into_iter().find(|job| !job.status.is_final());
            if running.is_some() && !jobs.job.is_disposed() && jobs.job.with_untracked(Option::is_none) {
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

    /// Starts a change of all matching products, whose number is `count`.
    pub fn start(self, action: BulkAction, filter: ProductFilter, count: i64, selection: Selection) {
        if self.starting.get_untracked() {
            return;
        }
        self.starting.set(true);
        let catalogue = self.catalogue;
        spawn_local(async move {
            match requests::change_matching(action, filter, count).await {
                Ok(job) if !self.job.is_disposed() => {
                    self.job.set(Some(job));
                    // Last, since the bar of the job replaces that of the selection and follows this job.
                    selection.clear();
                }
                Ok(_) => {}
                Err(problem) => {
                    catalogue.toasts.fail("Couldn't change the products", &problem);
                    // Their number may have changed.
                    if problem.code == ErrorCode::Conflict && !catalogue.listing.is_disposed() {
                        catalogue.reload();
                    }
                }
            }
            self.starting.try_set(false);
        });
    }

    /// Starts a job that reverts another one.
    fn undo(self, id: i64) {
        let toasts = self.catalogue.toasts;
        spawn_local(async move {
            match requests::undo_job(id).await {
                Ok(job) => drop(self.job.try_set(Some(job))),
                Err(problem) => toasts.fail("Couldn't undo the change", &problem),
            }
        });
    }

    fn accept(self, job: BulkJob) -> ControlFlow<()> {
        if !job.status.is_final() {
            self.job.set(Some(job));
            return ControlFlow::Continue(());
        }
        self.announce_end(&job);
        self.job.set(None);
        self.catalogue.reload();
        ControlFlow::Break(())
    }

    fn announce_end(self, job: &BulkJob) {
        let toasts = self.catalogue.toasts;
        let text = end_text(job);
        if job.status == JobStatus::Completed && job.can_be_undone() && job.undo_of.is_none() {
            let id = job.id;
            toasts.offer(text, "Undo", UNDO_TIMEOUT, move || self.undo(id));
        } else if job.status == JobStatus::Completed {
            toasts.say(text);
        } else {
            toasts.warn(text);
        }
    }
}

fn end_text(job: &BulkJob) -> String {
    let products = counted(job.changed, "product");
    let action = gerund(job.action).to_lowercase();
    match job.status {
        JobStatus::Cancelled => format!("Stopped after {action} {products}"),
        JobStatus::Failed => {
            format!("Failed after {action} {products}: {}", job.error.as_deref().unwrap_or("unknown reason"))
        }
        _ => format!("{products} {}", past_tense(job.action)),
    }
}

pub fn past_tense(action: BulkAction) -> &'static str {
    match action {
        BulkAction::Activate => "activated",
        BulkAction::Deactivate => "deactivated",
        BulkAction::Delete => "deleted",
        BulkAction::Unknown => "changed",
    }
}

fn gerund(action: BulkAction) -> &'static str {
    match action {
        BulkAction::Activate => "Activating",
        BulkAction::Deactivate => "Deactivating",
        BulkAction::Delete => "Deleting",
        BulkAction::Unknown => "Changing",
    }
}

#[expect(clippy::cast_precision_loss, reason = "the fraction is only displayed")]
fn fraction(job: &BulkJob) -> f64 {
    if job.total > 0 { job.done as f64 / job.total as f64 } else { 0.0 }
}

#[component]
pub fn JobBar() -> impl IntoView {
    let jobs = Jobs::expect();
    let job = jobs.job;
    if let Some(id) = job.with_untracked(|job| job.as_ref().map(|job| job.id)) {
        let topic =
            Topic { url: requests::job_events_url(id), events: vec!["state"], replays: true, in_background: false };
        stream::follow(
            topic,
            stream::each(move |update| match update {
                stream::Incoming::Received(job) => jobs.accept(job),
                // The stream begins with the current state.
                stream::Incoming::Reconnected => ControlFlow::Continue(()),
            }),
        );
    }
    let text = move || {
        job.with(|job| {
            job.as_ref().map(|job| {
                format!("{} {} of {}", gerund(job.action), thousands(job.done), counted(job.total, "product"))
            })
        })
    };
    let share = Signal::derive(move || job.with(|job| job.as_ref().map(fraction)));
    let waits_for = move || job.with(|job| job.as_ref().and_then(|job| job.error.clone()));
    view! {
        <section class="bulk bulk-job" aria-label="Progress" data-testid="job-bar">
            <div class="job-text">
                <p data-testid="job-text" data-value=move || job.with(|job| job.as_ref().map(|job| job.done))>{text}</p>
                <p class="job-percent">{move || share.get().map(percent)}</p>
            </div>
            <ProgressBar share label="Products processed" />
            <p class="job-note">{waits_for}</p>
            <CancelJob />
        </section>
    }
}

#[component]
fn CancelJob() -> impl IntoView {
    let (jobs, auth) = (Jobs::expect(), Auth::expect());
    let cancelling = RwSignal::new(false);
    let cancel = move |_| {
        let Some(id) = jobs.job.with_untracked(|job| job.as_ref().map(|job| job.id)) else { return };
        cancelling.set(true);
        spawn_local(async move {
            if let Err(problem) = requests::cancel_job(id).await {
                jobs.catalogue.toasts.fail("Couldn't cancel", &problem);
                cancelling.try_set(false);
            }
        });
    };
    view! {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_without_products_is_at_its_beginning() {
        let at = chrono::DateTime::from_timestamp(0, 0).expect("a valid time");
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
        assert!(fraction(&job).abs() < f64::EPSILON);
        (job.total, job.done) = (8, 2);
        assert!((fraction(&job) - 0.25).abs() < f64::EPSILON);
    }
}
