"""Encodes the prompts of tests/data/t5 and looks at the file with h5py; has kvscope inspect what h5py writes.

usage: encode_text_test.py KVSCOPE TESTS_DATA_T5 has-sentencepiece|no-sentencepiece
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np


def run(*words):
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_refusal(done, status, *words):
    assert done.returncode == status, (done.returncode, done.stderr)
    assert done.stdout == "" and done.stderr.count("\n") == 1, done
    assert all(word in done.stderr for word in words), done.stderr


def golden_prompts(path):
    with h5py.File(path) as file:
        groups = [file[name] for name in sorted(file)]
        return [(g.attrs["prompt"], g["ids"][()], g["features"][()]) for g in groups if g.attrs["prompt"]]


def check_encoding(kvscope, t5, folder):
    golden = golden_prompts(t5 / "golden.h5")
    prompts = folder / "prompts.txt"
    prompts.write_text("# golden\n" + "".join(prompt + "\n\n" for prompt, _, _ in golden), encoding="utf-8")
    for name, words, tolerance in (("fp32", [], 1e-5), ("bf16", ["--dtype", "bf16", "--threads", "1"], 0.03)):
        output = folder / f"{name}.h5"
        done = run(kvscope, "encode-text", "--text-encoder", t5, "--prompts-file", prompts, "--max-tokens", 16,
                   "-o", output, "--json", *words)
        assert done.returncode == 0, done.stderr
        assert "warning: prompt 3 has 17 tokens, 16 fit" in done.stderr, done.stderr
        said = json.loads(done.stdout)
        lengths = [len(ids) for _, ids, _ in golden]
        assert said["prompts"] == len(golden) and said["lengths"] == lengths and said["width"] == 128, said
        with h5py.File(output) as file:
            assert file["features"].dtype == np.float32 and file["lengths"].dtype == np.int32
            assert list(file["lengths"]) == lengths
            assert [text.decode() for text in file["prompts"]] == [prompt for prompt, _, _ in golden]
            assert json.loads(file.attrs["run"])["most_tokens"] == 16
            expected = np.concatenate([features for _, _, features in golden])
            error = np.abs(file["features"][()] - expected).max() / np.abs(expected).max()
            assert error < tolerance, (name, error)
            assert file.attrs["format"] == "kvscope-text-features"
    said = json.loads(run(kvscope, "inspect", folder / "fp32.h5", "--check", "--json").stdout)
    assert said["kind"] == "text features" and said["check"] == "passed", said
    assert [row["text"] for row in said["prompt_list"]] == [prompt for prompt, _, _ in golden], said


def check_refusals(kvscope, t5, folder):
    encode = [kvscope, "encode-text", "--text-encoder", t5, "-o", folder / "none.h5"]
    check_refusal(run(kvscope, "encode-text", "--prompt", "a cat"), 2, "text-encoder")
    check_refusal(run(*encode), 2, "--prompt")
    check_refusal(run(*encode, "--prompt", "a cat", "--prompt", " "), 2, "prompt 1 is empty")
    check_refusal(run(*encode, "--prompt", "a cat", "--prompts-file", "x"), 2, "exclude each other")
    check_refusal(run(*encode, "--prompt", "a cat", "--dtype", "fp16"), 2, "fp16", "bf16")
    check_refusal(run(*encode, "--prompt", "a cat", "--max-tokens", "1"), 2, "--max-tokens")
    check_refusal(run(*encode, "--prompt", "a cat", "--threads", "-1"), 2, "--threads")
    check_refusal(run(*encode, "--prompts-file", folder / "missing.txt"), 3, "missing.txt")
    check_refusal(run(kvscope, "encode-text", "--text-encoder", folder, "--prompt", "a cat"), 3, "config.json")
    assert not (folder / "none.h5").exists()


def write(path, features, lengths, prompts=None):
    with h5py.File(path, "w") as file:
        file["features"] = np.asarray(features)
        file["lengths"] = np.asarray(lengths)
        if prompts is not None:
            file["prompts"] = prompts
        file.attrs["format"], file.attrs["version"] = "kvscope-text-features", 1


def check_files_of_h5py(kvscope, folder):
    path = folder / "foreign.h5"

    def inspected():
        return run(kvscope, "inspect", path, "--check", "--json")

    rows = np.arange(12, dtype="f4").reshape(4, 3)
    for features in (rows, rows.astype("f8"), rows.astype("f2")):
        write(path, features, np.array([1, 3], "i8"), ["snow", "Žluťoučký kůň"])
        said = json.loads(inspected().stdout)
        assert (said["prompts"], said["tokens"], said["width"]) == (2, 4, 3), said
        assert said["prompt_list"][1] == {"prompt": 1, "tokens": 3, "text": "Žluťoučký kůň"}, said
    write(path, rows, [1, 2])
    check_refusal(inspected(), 3, "foreign.h5", "4 rows", "adds up to 3")
    write(path, rows, [4, 0])
    check_refusal(inspected(), 3, "'lengths'", "at least 1")
    write(path, rows, [1, 3], ["snow"])
    check_refusal(inspected(), 3, "'prompts'", "1 texts")
    holed = rows.copy()
    holed[3, 1] = np.nan
    write(path, holed, [1, 3])
    check_refusal(inspected(), 3, "prompt 1, token 2", "finite")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    check_refusal(inspected(), 3, "foreign.h5")


def main():
    kvscope, t5, sentencepiece = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if sentencepiece == "has-sentencepiece":
            check_encoding(kvscope, pathlib.Path(t5), folder)
        else:
            check_refusal(run(kvscope, "encode-text", "--text-encoder", t5, "--prompt", "a cat"), 4, "SentencePiece")
        check_refusals(kvscope, t5, folder)
        check_files_of_h5py(kvscope, folder)


main()
