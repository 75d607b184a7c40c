//! Random changes of all kinds, against a model of the catalogue that is a map. The whole list is compared after each step.
//!
//! `MODEL_SEED` repeats a run; the seed is printed when a step fails.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::Method;
use serde_json::{Map, Value, json};
use shared::{
    job::JobStatus,
    product::{Product, ProductInput, sku_key},
    search::ProductPage,
};
use tests::TestApp;
use trigram_index::folded;

const STEPS: usize = 120;
/// Few enough to collide often, in several cases.
const SKUS: [&str; 14] =
    ["a", "A", " a ", "b", "B", "tea-é", "TEA-É", "Tea-E\u{301}", "c", "d", "D", "=e", "'=E", "f,\"g\""];
const NAMES: [&str; 7] = ["Tea", "Green tea", "Cup", "-1", "größe", "GROSSE", "gro\u{308}ße"];
const TEXTS: [&str; 4] = ["", "plain", "two\nlines", "=1+1"];

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    id: i64,
    version: i64,
    product: ProductInput,
}

struct Model {
    app: TestApp,
    random: StdRng,
    products: BTreeMap<String, Entry>,
    /// Deleted products, in the order of deletion.
    deleted: Vec<Entry>,
}

impl Model {
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.random).unwrap()
    }

    /// Returns a product that exists, in most cases.
    fn known(&mut self) -> Option<Entry> {
        let all: Vec<_> = self.products.values().cloned().collect();
        all.choose(&mut self.random).cloned()
    }

    fn some_ids(&mut self) -> Vec<i64> {
        let ids: Vec<_> = self.products.values().chain(&self.deleted).map(|entry| entry.id).chain([999_999]).collect();
        let count = self.random.random_range(1..=4);
        ids.choose_multiple(&mut self.random, count).copied().collect()
    }

    fn input(&mut self) -> Value {
        let (sku, name, description) = (self.pick(&SKUS), self.pick(&NAMES), self.pick(&TEXTS));
        let attributes = if self.random.random_bool(0.5) { json!({ "size": self.pick(&TEXTS) }) } else { json!({}) };
        json!({ "sku": sku, "name": name, "description": description, "active": self.random.random_bool(0.7),
            "attributes": attributes })
    }

    async fn create(&mut self) {
        let input = self.input();
        let product: ProductInput = serde_json::from_value::<ProductInput>(input.clone()).unwrap().normalised();
        let key = sku_key(&product.sku);
        let response = self.app.ask(Method::POST, "/api/v1/products", &[], &input).await;
        if let Some(entry) = self.products.get(&key) {
            assert_eq!(tests::app::problem(response).await.product, Some(entry.id));
            return;
        }
        assert_eq!(response.status(), 201);
        let made: Product = response.json().await.unwrap();
        self.products.insert(key, Entry { id: made.id, version: 1, product });
    }

    /// Sends `PUT`, or `PATCH` of some fields.
    async fn write(&mut self, whole: bool) {
        let Some(entry) = self.known() else { return };
        let mut body = self.input();
        if !whole {
            let fields: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
            for field in fields {
                if self.random.random_bool(0.5) {
                    body.as_object_mut().unwrap().remove(&field);
                }
            }
        }
        let mut after: ProductInput = if whole {
            serde_json::from_value(body.clone()).unwrap()
        } else {
            let mut merged = serde_json::to_value(&entry.product).unwrap();
            merge(&mut merged, &body);
            serde_json::from_value(merged).unwrap()
        };
        after = after.normalised();
        let stale = self.random.random_bool(0.2);
        let tag = format!("\"{}\"", if stale { entry.version + 1 } else { entry.version });
        let method = if whole { Method::PUT } else { Method::PATCH };
        let path = format!("/api/v1/products/{}", entry.id);
        let status = self.app.ask(method, &path, &[("If-Match", &tag)], &body).await.status();
        let (old, new) = (sku_key(&entry.product.sku), sku_key(&after.sku));
        if stale {
            assert_eq!(status, 412);
        } else if new != old && self.products.contains_key(&new) {
            assert_eq!(status, 409);
        } else {
            assert_eq!(status, 200);
            let version = entry.version + i64::from(after != entry.product);
            self.products.remove(&old);
            self.products.insert(new, Entry { id: entry.id, version, product: after });
        }
    }

    async fn delete(&mut self) {
        let Some(entry) = self.known() else { return };
        self.app.delete(entry.id).await;
        self.products.remove(&sku_key(&entry.product.sku));
        self.deleted.push(entry);
    }

    async fn restore(&mut self) {
        let mut ids = self.some_ids();
        let outcome = self.app.restore(&ids).await;
        let mut restored = Vec::new();
        for index in (0..self.deleted.len()).rev() {
            let entry = self.deleted[index].clone();
            let key = sku_key(&entry.product.sku);
            if ids.contains(&entry.id) && !self.products.contains_key(&key) {
                restored.push(entry.id);
                self.products.insert(key, entry);
                self.deleted.remove(index);
            }
        }
        restored.sort_unstable();
        ids.retain(|id| !restored.contains(id));
        ids.sort_unstable();
        assert_eq!((outcome.restored, outcome.lost), (restored, ids));
    }

    async fn bulk(&mut self) {
        let action = self.pick(&["activate", "deactivate", "delete"]);
        if self.random.random_bool(0.7) {
            let ids = self.some_ids();
            let changed = self.act(action, &|entry| ids.contains(&entry.id), true);
            assert_eq!(self.app.bulk(action, &ids).await, changed);
            return;
        }
        let word = self.pick(&NAMES);
        let found = |entry: &Entry| {
            let Entry { product, .. } = entry;
            let text = format!("{}\u{1}{}\u{1}{}", product.sku, product.name, product.description);
            let text = folded(&text);
            word.split(' ').all(|word| text.contains(&folded(word)))
        };
        let total = i64::try_from(self.products.values().filter(|entry| found(entry)).count()).unwrap();
        let changed = self.act(action, &found, false);
        let job = self.app.begin_job(action, json!({ "q": word })).await;
        let end = self.app.end_of_job(job.id).await;
        assert_eq!((end.status, end.total, end.done, end.changed), (JobStatus::Completed, total, total, changed));
    }

    fn act(&mut self, action: &str, which: &dyn Fn(&Entry) -> bool, keep: bool) -> i64 {
        let keys: Vec<_> = self.products.iter().filter(|(_, entry)| which(entry)).map(|(key, _)| key.clone()).collect();
        let mut changed = 0;
        let mut gone = Vec::new();
        for key in keys {
            if action == "delete" {
                gone.extend(self.products.remove(&key));
                changed += 1;
                continue;
            }
            let entry = self.products.get_mut(&key).unwrap();
            let active = action == "activate";
            if entry.product.active != active {
                entry.product.active = active;
                entry.version += 1;
                changed += 1;
            }
        }
        if keep {
            // They are deleted at the same time; the one with the highest id counts as the last.
            gone.sort_by_key(|entry| entry.id);
            self.deleted.extend(gone);
        }
        changed
    }

    async fn import(&mut self) {
        let columns = self.pick(&[&["sku", "name"][..], &["sku", "name", "description"], &["name", "size", "sku"]]);
        let mut file = csv::Writer::from_writer(Vec::new());
        file.write_record(columns).unwrap();
        for _ in 0..self.random.random_range(1..8) {
            let input = self.input();
            let cells: Vec<String> = columns
                .iter()
                .map(|column| if *column == "size" { input["description"].as_str() } else { input[column].as_str() })
                .map(|cell| shared::formula::escape(cell.unwrap()).into_owned())
                .collect();
            file.write_record(&cells).unwrap();
            let mut product: ProductInput = serde_json::from_value(input.clone()).unwrap();
            product.sku = product.sku.trim().into();
            let entry = self.products.entry(sku_key(&product.sku)).or_insert_with(|| {
                let new = json!({ "sku": "x", "name": "x" });
                Entry { id: 0, version: 0, product: serde_json::from_value(new).unwrap() }
            });
            (entry.product.sku, entry.product.name) = (product.sku, product.name);
            if columns.contains(&"description") {
                entry.product.description = product.description;
            } else if columns.contains(&"size") {
                entry.product.attributes.remove("size");
                let size = Some(product.description).filter(|size| !size.is_empty());
                entry.product.attributes.extend(size.map(|size| ("size".to_owned(), size)));
            }
        }
        let import = self.app.import(file.into_inner().unwrap()).await;
        assert_eq!(import.status, JobStatus::Completed);
        for product in self.list().await {
            // The order in which an import assigns ids and versions is not defined.
            if let Some(entry) = self.products.get_mut(&sku_key(&product.sku)) {
                (entry.id, entry.version) = (product.id, product.version);
            }
        }
    }

    async fn list(&self) -> Vec<Product> {
        let page: ProductPage =
            serde_json::from_value(self.app.json("/api/v1/products?sort=created&limit=200").await).unwrap();
        assert_eq!(page.next, None);
        page.items
    }

    async fn compare(&self) {
        let mut expected: Vec<_> = self.products.values().cloned().collect();
        expected.sort_by_key(|entry| entry.id);
        let found: Vec<_> = self
            .list()
            .await
            .into_iter()
            .map(|product| Entry { id: product.id, version: product.version, product: product.into() })
            .collect();
        assert_eq!(found, expected);
    }
}

/// Applies a merge patch (RFC 7396) to nested objects.
fn merge(target: &mut Value, patch: &Value) {
    let target: &mut Map<_, _> = target.as_object_mut().unwrap();
    for (name, value) in patch.as_object().unwrap() {
        match target.get_mut(name) {
            Some(inner) if value.is_object() => merge(inner, value),
            _ => drop(target.insert(name.clone(), value.clone())),
        }
    }
}

#[tokio::test]
async fn any_sequence_of_changes_leaves_what_the_model_says() {
    let seed = std::env::var("MODEL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    eprintln!("MODEL_SEED={seed}");
    let app = TestApp::start_with(&[("BULK_BATCH_ROWS", "2"), ("IMPORT_BATCH_ROWS", "3")]).await;
    let random = StdRng::seed_from_u64(seed);
    let mut model = Model { app, random, products: BTreeMap::new(), deleted: Vec::new() };
    for step in 0..STEPS {
        let choice = model.random.random_range(0..12);
        eprintln!("step {step}: {choice}");
        match choice {
            0..3 => model.create().await,
            3..5 => model.write(false).await,
            5..7 => model.write(true).await,
            7 => model.delete().await,
            8 => model.restore().await,
            9..11 => model.bulk().await,
            _ => model.import().await,
        }
        model.compare().await;
    }
}
