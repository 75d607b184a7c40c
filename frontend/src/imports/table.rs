//! Imports as a table, newest first. Running ones are refreshed every two seconds.

use std::time::Duration;

use leptos::prelude::*;
use shared::import::{Import, ImportPage};

use super::requests::list_imports;
use super::run::size;
use super::status::StatusBadge;
use super::upload::Uploads;
use crate::ui::format::{duration, thousands, whole_seconds};
use crate::ui::time::seconds_between;
use crate::ui::{Glyph, Icon, ProblemNotice, Relative, Skeleton, every, use_now};

const REFRESH_INTERVAL: Duration = Duration::from_secs(2);

/// One page of imports, with links to the other pages if `paged`.
#[component]
pub fn ImportList(
    /// Shows imports older than this one; the newest if it is `None`.
    #[prop(into)]
    before: Signal<Option<i64>>,
    /// Imports per page.
    limit: u32,
    /// Whether there are links to the other pages.
    #[prop(optional)]
    paged: bool,
) -> impl IntoView {
    let arrived = Uploads::expect().uploaded();
    let imports = LocalResource::new(move || {
        arrived.track();
        list_imports(before.get(), limit)
    });
    every(REFRESH_INTERVAL, move || {
        let under_way = |page: &ImportPage| page.items.iter().any(|import| !import.status.is_final());
        let page = imports.get_untracked();
        if !document().hidden() && page.is_some_and(|page| page.as_ref().is_ok_and(under_way)) {
            imports.refetch();
        }
    });
    view! {
        <Transition fallback=|| view! { <Skeleton rows=5 /> }>
            {move || Suspend::new(async move {
                match imports.await {
                    Ok(page) if page.items.is_empty() => view! { <NoImports first=before.get_untracked().is_none() /> }.into_any(),
                    Ok(page) => {
                        let links = paged.then(|| view! { <PageLinks next=page.next before=before.get_untracked() /> });
                        view! { <ImportTable imports=page.items />{links} }.into_any()
                    }
                    Err(problem) => view! { <ProblemNotice problem retry=move || imports.refetch() /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn ImportTable(imports: Vec<Import>) -> impl IntoView {
    view! {
        <div class="table-frame">
            <table class="table table-cards imports-table" data-testid="imports-table">
                <thead>
                    <tr>
                        <th scope="col">"File"</th>
                        <th scope="col">"Status"</th>
                        <th scope="col" class="number">"Rows"</th>
                        <th scope="col" class="number">"Created"</th>
                        <th scope="col" class="number">"Updated"</th>
                        <th scope="col" class="number">"Unchanged"</th>
                        <th scope="col" class="number">"Duplicate SKU"</th>
                        <th scope="col" class="number">"Rejected"</th>
                        <th scope="col">"Started"</th>
                        <th scope="col" class="number">"Duration"</th>
                    </tr>
                </thead>
                <tbody>{imports.into_iter().map(|import| view! { <ImportRow import /> }).collect_view()}</tbody>
            </table>
        </div>
    }
}

#[component]
fn ImportRow(import: Import) -> impl IntoView {
    let counts = import.counts;
    let rejected = if counts.rejected > 0 { "number count-bad" } else { "number" };
    view! {
        <tr>
            <td class="cell-title">
                <a class="row-link" href=format!("/imports/{}", import.id)>
                    {import.file_name.clone()}
                </a>
                <span class="cell-note">{size(&import)}</span>
            </td>
            <td class="cell-status">
                <StatusBadge import=import.clone() />
            </td>
            <td class="number" data-label="Rows">{rows(&import)}</td>
            <td class="number" data-label="Created">{thousands(counts.created)}</td>
            <td class="number" data-label="Updated">{thousands(counts.updated)}</td>
            <td class="number" data-label="Unchanged">{thousands(counts.unchanged)}</td>
            <td class="number" data-label="Duplicate SKU">{thousands(counts.duplicates)}</td>
            <td class=rejected data-label="Rejected">{thousands(counts.rejected)}</td>
            <td data-label="Started">
                <Relative at=import.started_at.unwrap_or(import.created_at) />
            </td>
            <td class="number" data-label="Duration">
                <RunTime import />
            </td>
        </tr>
    }
}

/// Rows processed, and of how many as long as not all are.
fn rows(import: &Import) -> String {
    match import.rows_total {
        Some(total) if !import.status.is_final() || total != import.counts.read => {
            format!("{} / {}", thousands(import.counts.read), thousands(total))
        }
        _ => thousands(import.counts.read),
    }
}

#[component]
fn RunTime(import: Import) -> impl IntoView {
    let now = use_now();
    move || match (import.started_at, import.finished_at) {
        (Some(started), Some(finished)) => duration(seconds_between(started, finished)),
        (Some(started), None) => whole_seconds(seconds_between(started, now.get())),
        (None, _) => "–".to_owned(),
    }
}

#[component]
fn PageLinks(
    /// `before` of the next page.
    next: Option<i64>,
    /// `before` of this page.
    before: Option<i64>,
) -> impl IntoView {
    view! {
        <nav class="pager" aria-label="Pages of imports">
            {before.map(|_| {
                view! {
                    <a class="button" href="/imports" data-testid="previous-page">
                        <Icon glyph=Glyph::Previous />
                        "Newest"
                    </a>
                }
            })}
            {next.map(|next| {
                view! {
                    <a class="button" href=format!("/imports?before={next}") data-testid="next-page">
                        "Older"
                        <Icon glyph=Glyph::Next />
                    </a>
                }
            })}
        </nav>
    }
}

#[component]
fn NoImports(
    /// There are none at all, not only no older ones.
    first: bool,
) -> impl IntoView {
    let (title, text) = if first {
        ("No imports yet", "Imported files are listed here, with the result of every row.")
    } else {
        ("No older imports", "This is where the list ends.")
    };
    view! {
        <div class="empty">
            <Icon glyph=Glyph::File />
            <p class="empty-title">{title}</p>
            <p>{text}</p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use shared::{import::Counts, job::JobStatus};

    use super::super::run::tests::import;
    use super::*;

    #[test]
    fn the_total_is_shown_until_it_is_reached() {
        let part = Counts { read: 1_200, ..Counts::default() };
        let mut import = Import { counts: part, status: JobStatus::Running, ..import() };
        assert_eq!(rows(&import), "1,200");
        import.rows_total = Some(5_000);
        assert_eq!(rows(&import), "1,200 / 5,000");
        import.status = JobStatus::Cancelled;
        assert_eq!(rows(&import), "1,200 / 5,000");
        (import.status, import.rows_total) = (JobStatus::Completed, Some(1_200));
        assert_eq!(rows(&import), "1,200");
    }
}
