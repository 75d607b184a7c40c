//! Rows that could not be imported, each with its reason.

use leptos::prelude::*;
use shared::import::RejectedRow;

use super::requests::{rejected_csv_url, rejected_rows};
use super::run::Run;
use crate::ui::format::{counted, thousands};
use crate::ui::{Glyph, Icon, ProblemNotice, Skeleton};

/// Rows shown on the page; the file to download has more.
const MAX_ROWS: u32 = 20;

/// Empty if there are none.
#[component]
pub fn RejectedRows(run: RwSignal<Run>) -> impl IntoView {
    let rejected = Memo::new(move |_| run.with(|run| run.import.counts.rejected));
    let any = Memo::new(move |_| rejected.get() > 0);
    view! {
        <Show when=move || any.get()>
            <RejectedCard run rejected />
        </Show>
    }
}

#[component]
fn RejectedCard(run: RwSignal<Run>, rejected: Memo<i64>) -> impl IntoView {
    let id = run.with_untracked(|run| run.import.id);
    let ended = Memo::new(move |_| run.with(|run| run.import.status.is_final()));
    let removed = Memo::new(move |_| run.with(|run| run.import.details_removed_at.is_some()));
    // More rows than are shown change nothing; but the end may add earlier ones.
    let shown = Memo::new(move |_| rejected.get().min(i64::from(MAX_ROWS)));
    let rows = LocalResource::new(move || {
        shown.track();
        ended.track();
        rejected_rows(id, MAX_ROWS)
    });
    view! {
        <section class="card rejected" aria-labelledby="rejected-title">
            <header class="card-head">
                <div>
                    <h2 id="rejected-title">"Rejected rows"</h2>
                    <p class="card-note">
                        {move || if removed.get() { REMOVED.to_owned() } else { extent(rejected.get()) }}
                    </p>
                </div>
                <a class="button" href=rejected_csv_url(id) download rel="external" data-testid="rejected-download">
                    <Icon glyph=Glyph::Download />
                    "Download as CSV"
                </a>
            </header>
            <Transition fallback=|| view! { <Skeleton rows=4 /> }>
                {move || Suspend::new(async move {
                    match rows.await {
                        Ok(page) => view! { <RejectedTable rows=page.items /> }.into_any(),
                        Err(problem) => view! { <ProblemNotice problem retry=move || rows.refetch() /> }.into_any(),
                    }
                })}
            </Transition>
        </section>
    }
}

const REMOVED: &str = "The list was removed after its retention period.";

fn extent(rejected: i64) -> String {
    if rejected > i64::from(MAX_ROWS) {
        format!("The first {MAX_ROWS} of {}", thousands(rejected))
    } else {
        counted(rejected, "row")
    }
}

#[component]
fn RejectedTable(rows: Vec<RejectedRow>) -> impl IntoView {
    view! {
        <div class="table-frame table-frame-flush" role="group" aria-label="Table of rejected rows" tabindex="0">
            <table class="table table-cards rejected-table" data-testid="rejected-table">
                <thead>
                    <tr>
                        <th scope="col" class="number">"Row"</th>
                        <th scope="col" class="number">"Line"</th>
                        <th scope="col">"Column"</th>
                        <th scope="col">"Reason"</th>
                    </tr>
                </thead>
                <tbody>{rows.into_iter().map(|row| view! { <Rejected row /> }).collect_view()}</tbody>
            </table>
        </div>
    }
}

#[component]
fn Rejected(row: RejectedRow) -> impl IntoView {
    view! {
        <tr>
            <td class="number" data-label="Row">{thousands(row.row_no)}</td>
            <td class="number" data-label="Line">{thousands(row.line)}</td>
            <td data-label="Column">{row.column.unwrap_or_else(|| "–".to_owned())}</td>
            <td class="rejected-reason">
                <details>
                    <summary data-code=row.code.as_str()>{row.message}</summary>
                    {row.raw.map(|raw| view! {
                        <pre class="raw" tabindex="0" aria-label="The row as in the file">{raw}</pre>
                    })}
                </details>
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_says_if_not_all_rows_are_shown() {
        assert_eq!(extent(1), "1 row");
        assert_eq!(extent(20), "20 rows");
        assert_eq!(extent(1_234), "The first 20 of 1,234");
    }
}
