//! The page of one import: live while it runs, its record afterwards.

use chrono::Utc;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use shared::{
    auth::Permission,
    import::Import,
    job::JobStatus,
    problem::{ErrorCode, Problem},
};

use super::cancel::CancelButton;
use super::event_log::EventLog;
use super::notices::Notices;
use super::progress::ProgressCard;
use super::rejected::RejectedRows;
use super::requests::get_import;
use super::result::ResultCard;
use super::retry::{RetryButton, is_retryable};
use super::run::{Run, size};
use super::status::{StatusBadge, label};
use super::stream;
use crate::api;
use crate::auth::Auth;
use crate::products::IndexingNote;
use crate::ui::format::percent;
use crate::ui::{Glyph, Icon, ProblemNotice, Relative, Skeleton, page_title};

/// Loads the import of the address, then receives its events.
#[component]
pub fn LivePage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.read().get("id").and_then(|id| id.parse::<i64>().ok()));
    let import = LocalResource::new(move || {
        let id = id.get();
        async move {
            match id {
                Some(id) => get_import(id).await,
                None => Err(api::problem(404, ErrorCode::NotFound, "The address does not name an import.")),
            }
        }
    });
    view! {
        <div class="page">
            <Suspense fallback=|| view! { <Skeleton rows=8 /> }>
                {move || Suspend::new(async move {
                    match import.await {
                        Ok(found) => {
                            let on_retry = Callback::new(move |()| import.refetch());
                            view! { <LiveImport import=found on_retry /> }.into_any()
                        }
                        Err(problem) if problem.code == ErrorCode::NotFound => view! { <NoSuchImport problem /> }.into_any(),
                        Err(problem) => view! { <ProblemNotice problem retry=move || import.refetch() /> }.into_any(),
                    }
                })}
            </Suspense>
        </div>
    }
}

#[component]
fn LiveImport(
    import: Import,
    /// Called when a failed import was queued again.
    on_retry: Callback<()>,
) -> impl IntoView {
    let id = import.id;
    let run = RwSignal::new(Run::new(import));
    let connection = stream::follow_import(id, move |messages| {
        let mut more = true;
        run.update(|run| {
            for message in messages {
                run.apply(message, Utc::now());
            }
            more = !run.is_complete();
        });
        more
    });
    page_title(move || run.with(tab_title));
    view! {
        <Head run on_retry />
        <Notices run connection />
        <ProgressCard run />
        <ResultCard run />
        <div class="columns">
            <EventLog run />
            <RejectedRows run />
        </div>
    }
}

/// Starts with the part that changes, since a tab shows only the beginning.
fn tab_title(run: &Run) -> String {
    let import = &run.import;
    let state = match (import.status, run.share()) {
        (JobStatus::Running, Some(share)) => percent(share),
        _ => label(import).to_owned(),
    };
    format!("{state} · {}", import.file_name)
}

#[component]
fn Head(run: RwSignal<Run>, on_retry: Callback<()>) -> impl IntoView {
    let import = Memo::new(move |_| run.with(|run| run.import.clone()));
    let (file_name, created_at) = import.with_untracked(|import| (import.file_name.clone(), import.created_at));
    view! {
        <header class="page-head">
            <div>
                <p class="breadcrumb">
                    <a href="/imports">"Imports"</a>
                    <Icon glyph=Glyph::Chevron />
                    <span>{format!("No. {}", import.with_untracked(|import| import.id))}</span>
                </p>
                <div class="title-line">
                    <h1>{file_name}</h1>
                    <StatusBadge import />
                </div>
                <p class="page-lead">{move || import.with(size)} " · uploaded " <Relative at=created_at /></p>
            </div>
            <div class="page-actions">
                <Actions run on_retry />
            </div>
        </header>
        {move || (import.with(|import| import.status) == JobStatus::Completed).then(|| view! { <IndexingNote /> })}
        <p class="visually-hidden" role="status">{move || import.with(announcement)}</p>
    }
}

/// The available actions. All in one place, so that the page does not move.
#[component]
fn Actions(run: RwSignal<Run>, on_retry: Callback<()>) -> impl IntoView {
    let auth = Auth::expect();
    let may_import = Memo::new(move |_| auth.can(Permission::WriteImports));
    let status = Memo::new(move |_| run.with(|run| run.import.status));
    let another = move || may_import.get().then(|| view! { <a class="button" href="/">"Import another file"</a> });
    move || match status.get() {
        JobStatus::Queued | JobStatus::Running | JobStatus::Unknown => {
            may_import.get().then(|| view! { <CancelButton run /> }).into_any()
        }
        JobStatus::Failed if may_import.get() && run.with_untracked(|run| is_retryable(&run.import)) => view! {
            {another()}
            <RetryButton run on_retry />
        }
        .into_any(),
        JobStatus::Failed | JobStatus::Cancelled => another().into_any(),
        JobStatus::Completed => view! {
            {another()}
            <a class="button button-primary" href=these_products(run) data-testid="products-link">
                <Icon glyph=Glyph::Products />
                "Show these products"
            </a>
        }
        .into_any(),
    }
}

/// Products that were last written by this import, by SKU: in the order of creation those of its writers are mixed.
fn these_products(run: RwSignal<Run>) -> String {
    format!("/products?import={}&sort=sku", run.with_untracked(|run| run.import.id))
}

/// Announced by a screen reader when the status or phase changes; not at each figure.
fn announcement(import: &Import) -> String {
    format!("{}: {}", import.file_name, label(import))
}

#[component]
fn NoSuchImport(problem: Problem) -> impl IntoView {
    page_title(|| "Import not found".to_owned());
    view! {
        <section class="empty">
            <p class="empty-code">"404"</p>
            <h1>"Import not found"</h1>
            <p>{problem.detail}</p>
            <a class="button button-primary" href="/imports">"All imports"</a>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use shared::import::ImportPhase;

    use super::super::run::tests::import;
    use super::*;

    #[test]
    fn the_title_of_the_tab_starts_with_the_part_that_changes() {
        let mut run = Run::new(import());
        assert_eq!(tab_title(&run), "Queued · products.csv");
        (run.import.status, run.import.phase) = (JobStatus::Running, Some(ImportPhase::Scan));
        run.import.bytes_scanned = 900;
        assert_eq!(tab_title(&run), "45 % · products.csv");
        (run.import.status, run.import.phase) = (JobStatus::Completed, None);
        assert_eq!(tab_title(&run), "Completed · products.csv");
    }
}
