//! Every language passes every case (`tests/sdk-cases/README.md`), in fresh instances and in
//! warm ones.

use anyhow::Result;
use polyreme_tests::exclusive_server;
use polyreme_tests::sdk_cases::{SdkCases, ensure_every_language_is_run};
use serde_json::{Value, json};

/// A module of tests for each language that has a folder in `tests/sdk-cases`.
macro_rules! languages {
    ($($language:ident),+) => {
        const LANGUAGES: &[&str] = &[$(stringify!($language)),+];

        $(mod $language {
            use super::{run, settings, warm};

            const LANGUAGE: &str = stringify!($language);

            #[tokio::test]
            async fn passes_every_case_in_fresh_instances() -> anyhow::Result<()> {
                run(LANGUAGE, "fresh".into()).await
            }

            #[tokio::test]
            async fn passes_every_case_in_warm_instances() -> anyhow::Result<()> {
                run(LANGUAGE, warm()).await
            }

            #[tokio::test]
            async fn has_settings_checked_before_anything_runs() -> anyhow::Result<()> {
                settings(LANGUAGE).await
            }
        })+
    };
}

languages!(rust, go, tinygo, python, js);

/// Few instances, each used for many cases and replaced now and then.
fn warm() -> Value {
    json!({ "warm": 2, "maxReconciles": 20 })
}

async fn run(language: &str, instances: Value) -> Result<()> {
    let server = exclusive_server().await?;
    let ran = SdkCases::of(language, instances)?.run(&server).await?;
    println!("{language}: {ran:?}");
    Ok(())
}

async fn settings(language: &str) -> Result<()> {
    let server = exclusive_server().await?;
    SdkCases::of(language, "fresh".into())?.refuses_wrong_settings(&server).await
}

#[test]
fn every_folder_has_its_tests() -> Result<()> {
    ensure_every_language_is_run(LANGUAGES)
}
