//! The rows that could not be imported, with the reason for each.

use leptos::prelude::*;
use shared::import::RejectedRow;

use super::run::Run;
use crate::api;
use crate::ui::format::{counted, thousands};
use crate::ui::{Glyph, Icon, ProblemNotice, Skeleton};

/// Rows that are shown; all of them are in the file to download.
const SHOWN: u32 = 20;

/// Empty as long as there are none.
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
    // Once there are more than are shown, more of them change nothing; the end may bring earlier ones.
    let shown = Memo::new(move |_| rejected.get().min(i64::from(SHOWN)));
    let rows = LocalResource::new(move || {
        shown.track();
        ended.track();
        api::rejected_rows(id, SHOWN)
    });
    view! {
        <section class="card rejected" aria-labelledby="rejected-title">
            <header class="card-head">
                <div>
                    <h2 id="rejected-title">"Rejected rows"</h2>
                    <p class="card-note">{move || extent(rejected.get())}</p>
                </div>
                <a class="button" href=api::rejected_csv_url(id) download rel="external" data-testid="rejected-download">
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

fn extent(rejected: i64) -> String {
    if rejected > i64::from(SHOWN) {
        format!("The first {SHOWN} of {}", thousands(rejected))
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
                    <pre class="raw" tabindex="0" aria-label="The row as it stands in the file">{row.raw}</pre>
                </details>
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_when_not_all_rows_are_shown() {
        assert_eq!(extent(1), "1 row");
        assert_eq!(extent(20), "20 rows");
        assert_eq!(extent(1_234), "The first 20 of 1,234");
    }
}
