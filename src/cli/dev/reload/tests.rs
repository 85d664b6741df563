use std::fs;
use std::os::unix::fs::symlink;

use tokio::sync::mpsc;

use super::*;
use crate::shutdown;

/// Starts watching `file`; texts that the callback saw come out of the channel.
fn start(file: &Path) -> (mpsc::UnboundedReceiver<String>, shutdown::Trigger) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (trigger, shutdown) = shutdown::channel();
    let file = file.to_owned();
    tokio::spawn(async move {
        watch(&file, "one".to_owned(), shutdown, |text| {
            sender.send(text.to_owned()).unwrap();
            if text == "broken" {
                anyhow::bail!("no good")
            } else {
                Ok(())
            }
        })
        .await;
    });
    (receiver, trigger)
}

#[tokio::test(start_paused = true)]
async fn edits_in_place_by_rename_and_by_symlink_swap_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let other = folder.path().join("other");
    fs::write(&file, "one").unwrap();
    let (mut seen, _trigger) = start(&file);

    fs::write(&file, "two").unwrap();
    assert_eq!(seen.recv().await.unwrap(), "two");

    fs::write(&other, "three").unwrap();
    fs::rename(&other, &file).unwrap();
    assert_eq!(seen.recv().await.unwrap(), "three");

    let (data, link) = (folder.path().join("data"), folder.path().join("link"));
    fs::write(&data, "four").unwrap();
    symlink(&data, &link).unwrap();
    fs::rename(&link, &file).unwrap();
    assert_eq!(seen.recv().await.unwrap(), "four");
}

#[tokio::test(start_paused = true)]
async fn a_broken_edit_or_a_missing_file_does_not_end_the_watch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "one").unwrap();
    let (mut seen, _trigger) = start(&file);

    fs::write(&file, "broken").unwrap();
    assert_eq!(seen.recv().await.unwrap(), "broken");
    fs::remove_file(&file).unwrap();
    tokio::time::sleep(INTERVAL * 3).await;
    fs::write(&file, "two").unwrap();
    assert_eq!(seen.recv().await.unwrap(), "two");
}
