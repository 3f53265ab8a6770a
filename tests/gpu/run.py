"""The steps of run.sh. Each one's outcome goes into the JSON, whatever it is, and the next one is tried; steps that were run
earlier keep their outcome there. Exit status: 0 all went well, 1 a step failed, 2 usage, 4 built, but there is no GPU."""

import argparse
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "tests" / "gpu" / "packages"
STEPS = ("machine", "packages", "configure", "build", "tests", "memcheck", "racecheck", "bench", "profile")
NEED_GPU = ("tests", "memcheck", "racecheck", "bench", "profile")
TRIPLET = "x86_64-linux-gnu"


class Failure(Exception):
    pass


def arguments():
    parser = argparse.ArgumentParser(prog="tests/gpu/run.sh", description=__doc__)
    parser.add_argument("--steps", default=",".join(STEPS), help="some of them, in this order (default: %(default)s)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "gpu", help="default: build/gpu")
    parser.add_argument("--json", type=pathlib.Path, help="default: gpu_run.json in the build folder")
    parser.add_argument("--architecture", help="as CMake names it, e.g. 90a-real (default: the GPU's, else 90a-real)")
    parser.add_argument("--targets", default="", help="build only these, separated by commas")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--system-libraries", action="store_true", help="do without tests/gpu/packages/")
    parser.add_argument("--quick", action="store_true", help="the benchmarks' results are checked, not their times")
    asked = parser.parse_args()
    unknown = [step for step in asked.steps.split(",") if step not in STEPS]
    if unknown:
        parser.error(f"--steps: there is no '{unknown[0]}', expected some of {', '.join(STEPS)}")
    return asked


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def output_of(words, default=None):
    """What a program says, or `default` if it is not there or fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return default
    return done.stdout.strip() if done.returncode == 0 else default


def run_logged(words, log, seconds, folder=ROOT):
    """Runs a program with its output in a file. @return its exit status, 124 after `seconds`"""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w") as file:
        try:
            return subprocess.run(words, stdout=file, stderr=subprocess.STDOUT, timeout=seconds, cwd=folder).returncode
        except subprocess.TimeoutExpired:
            return 124


def tail(path, lines=30):
    return path.read_text(errors="replace").splitlines()[-lines:] if path.exists() else []


def torch_folder():
    """Where Python's torch is, without importing it."""
    if os.environ.get("KVSCOPE_LIBTORCH"):
        return pathlib.Path(os.environ["KVSCOPE_LIBTORCH"])
    spec = importlib.util.find_spec("torch")
    return pathlib.Path(spec.origin).parent if spec and spec.origin else None


class Run:
    def __init__(self, asked):
        self.asked = asked
        self.build = asked.build.resolve()
        self.json_path = (asked.json or self.build / "gpu_run.json").resolve()
        self.logs = self.build / "logs"
        self.libraries = self.build / "packages"
        self.document = {"steps": {}}
        if self.json_path.exists():
            self.document = json.loads(self.json_path.read_text())

    def write(self):
        self.json_path.parent.mkdir(parents=True, exist_ok=True)
        self.json_path.write_text(json.dumps(self.document, indent=2) + "\n")

    # --- steps: each returns what is worth keeping, and raises Failure with what is wrong ---

    def gpu(self):
        """The first GPU's properties, or None."""
        fields = "name,compute_cap,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit"
        line = output_of(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"])
        if not line:
            return None
        return dict(zip(fields.split(","), (value.strip() for value in line.splitlines()[0].split(","))))

    def architecture(self):
        if self.asked.architecture:
            return self.asked.architecture
        gpu = self.gpu()
        number = gpu["compute_cap"].replace(".", "") if gpu else "90"
        return "90a-real" if number == "90" else f"{number}-real"

    def machine(self):
        torch = torch_folder()
        version = None
        for place in (torch, torch / "torch") if torch else ():
            if (place / "version.py").exists():
                version = re.search(r"__version__ = '([^']+)'", (place / "version.py").read_text())[1]
        return {"gpu": self.gpu(), "kernel": " ".join(os.uname()), "torch": version,
                "nvcc": (output_of(["nvcc", "--version"]) or "").splitlines()[-2:-1],
                "gcc": (output_of(["g++", "--version"]) or "").splitlines()[:1],
                "cmake": (output_of(["cmake", "--version"]) or "").splitlines()[:1],
                "ninja": output_of(["ninja", "--version"]),
                "commit": output_of(["git", "-C", str(ROOT), "rev-parse", "HEAD"]), "cores": os.cpu_count()}

    def packages(self):
        if self.asked.system_libraries:
            return {"libraries": "the system's"}
        archive = PACKAGES / "libraries.tar.xz"
        if not archive.exists():
            raise Failure(f"{archive.relative_to(ROOT)} is not there: run tests/gpu/fill_packages.sh on Debian, or give "
                          "--system-libraries")
        usr = self.libraries / "usr"
        if not usr.exists() or usr.stat().st_mtime < archive.stat().st_mtime:
            shutil.rmtree(self.libraries, ignore_errors=True)
            self.libraries.mkdir(parents=True)
            # Not every machine has xz; CMake can always read it.
            status = run_logged(["cmake", "-E", "tar", "xf", str(archive)], self.logs / "unpack.log", 300, self.libraries)
            if status != 0:
                raise Failure(f"unpacking failed: {tail(self.logs / 'unpack.log')}")
            self.adapt_libraries(usr)
            usr.touch()
        return {"libraries": (PACKAGES / "packages.txt").read_text().splitlines()}

    def adapt_libraries(self, usr):
        """Tools that know where they are installed learn where they are now."""
        compiler = usr / "bin" / "h5cc"
        if compiler.exists():
            compiler = compiler.resolve()
            compiler.write_text(compiler.read_text().replace("/usr/", f"{usr}/").replace('prefix="/usr"', f'prefix="{usr}"'))
        # h5cc names libcurl, of which only the library itself travels.
        library = usr / "lib" / TRIPLET
        if not (library / "libcurl.so").exists():
            (library / "libcurl.so").symlink_to("libcurl.so.4")
        # pkgconf needs its own library, and all paths in .pc files begin with /usr.
        wrapper = usr / "bin" / "pkg-config-here"
        wrapper.write_text(f"#!/bin/sh\nLD_LIBRARY_PATH={library} PKG_CONFIG_SYSROOT_DIR={self.libraries} "
                           f"PKG_CONFIG_LIBDIR={library}/pkgconfig:{usr}/share/pkgconfig exec {usr}/bin/pkgconf \"$@\"\n")
        wrapper.chmod(0o755)

    def library_options(self):
        if self.asked.system_libraries:
            return []
        usr = self.libraries / "usr"
        library = usr / "lib" / TRIPLET
        includes = f"-isystem {usr}/include -isystem {usr}/include/{TRIPLET}"
        # The old kind of run path also serves libraries that these libraries need.
        places = [library, library / "hdf5" / "serial"]
        link = "-Wl,--disable-new-dtags " + " ".join(f"-Wl,-rpath,{place} -Wl,-rpath-link,{place}" for place in places)
        return [f"-DCMAKE_PREFIX_PATH={usr}", f"-DCMAKE_LIBRARY_ARCHITECTURE={TRIPLET}",
                f"-DPKG_CONFIG_EXECUTABLE={usr}/bin/pkg-config-here", f"-DHDF5_ROOT={usr}", f"-DOPENSSL_ROOT_DIR={usr}",
                f"-DBOOST_ROOT={usr}", f"-DCMAKE_CXX_FLAGS={includes}", f"-DCMAKE_CUDA_FLAGS={includes}",
                f"-DCMAKE_EXE_LINKER_FLAGS={link}"]

    def configure(self):
        torch = torch_folder()
        if torch is None:
            raise Failure("Python has no torch, and KVSCOPE_LIBTORCH names none")
        architecture = self.architecture()
        log = self.logs / "configure.log"
        status = run_logged(["cmake", "-G", "Ninja", "-S", str(ROOT), "-B", str(self.build), "-DCMAKE_BUILD_TYPE=Release",
                             f"-DKVSCOPE_LIBTORCH={torch}", f"-DCMAKE_CUDA_ARCHITECTURES={architecture}",
                             "-DKVSCOPE_CUDA=ON", *self.library_options()], log, 600)
        if status != 0:
            raise Failure(f"cmake: exit status {status}: {tail(log)}")
        cache = (self.build / "CMakeCache.txt").read_text()
        if not re.search(r"^CMAKE_CUDA_COMPILER:.*=.*nvcc", cache, re.MULTILINE):
            raise Failure("CMake found no nvcc: put it on the path")
        return {"architecture": architecture, "libtorch": str(torch)}

    def gpu_tests(self):
        """Name and command of each test that wants a GPU."""
        text = output_of(["ctest", "--test-dir", str(self.build), "-L", "^gpu$", "--show-only=json-v1"])
        if text is None:
            raise Failure("ctest does not list the tests: was the tree configured?")
        return [(test["name"], test["command"]) for test in json.loads(text)["tests"] if "command" in test]

    def build_all(self):
        targets = [name for name in self.asked.targets.split(",") if name]
        if not targets:
            programs = {pathlib.Path(command[0]).name for _, command in self.gpu_tests()}
            targets = ["kvscope", "kvscope_bench_gpu", *sorted(name for name in programs if name.startswith("kvscope_"))]
        log = self.logs / "build.log"
        status = run_logged(["ninja", "-C", str(self.build), f"-j{self.asked.jobs}", *targets], log, 3600)
        if status != 0:
            raise Failure(f"ninja: exit status {status}: {tail(log)}")
        return {"targets": targets}

    def tests(self):
        report = self.logs / "tests.xml"
        log = self.logs / "tests.log"
        status = run_logged(["ctest", "--test-dir", str(self.build), "-L", "^gpu$", "--output-on-failure", "--output-junit",
                             str(report)], log, 3000)
        outcomes = {}
        if report.exists():
            for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
                outcomes[case.get("name")] = {"outcome": case.get("status"), "seconds": float(case.get("time", 0))}
        if not outcomes:
            raise Failure(f"no test wants a GPU: {tail(log)}")
        not_run = [name for name, outcome in outcomes.items() if outcome["outcome"] != "run"]
        result = {"tests": outcomes, "log": tail(log)}
        if status != 0 or not_run:
            raise StepFailure(f"ctest: exit status {status}; not passed: {', '.join(not_run)}", result)
        return result

    def sanitizer(self):
        found = shutil.which("compute-sanitizer")
        if found:
            return found
        own = self.build / "sanitizer"
        wheels = sorted(PACKAGES.glob("nvidia_cuda_sanitizer_api-*.whl"))
        if not wheels:
            raise Failure("compute-sanitizer is neither on the path nor in tests/gpu/packages/")
        if not own.exists():
            shutil.unpack_archive(wheels[0], own, "zip")
        for program in own.rglob("compute-sanitizer"):
            if program.is_file():
                for file in program.parent.rglob("*"):
                    if file.is_file():
                        file.chmod(0o755)
                return str(program)
        raise Failure(f"{wheels[0].name} holds no compute-sanitizer")

    def sanitize(self, tool):
        program = self.sanitizer()
        outcomes = {}
        for name, command in self.gpu_tests():
            log = self.logs / f"{tool}.{name}.log"
            status = run_logged([program, "--tool", tool, "--error-exitcode", "99", *command], log, 900)
            summary = [line for line in tail(log, 200) if "ERROR SUMMARY" in line or "RACECHECK SUMMARY" in line]
            outcomes[name] = {"exit_status": status, "summary": summary}
            if status != 0:
                outcomes[name]["log"] = tail(log)
        failed = [name for name, outcome in outcomes.items() if outcome["exit_status"] != 0]
        if not outcomes:
            raise Failure("no test wants a GPU")
        result = {"version": output_of([program, "--version"]), "tests": outcomes}
        if failed:
            raise StepFailure(f"{tool}: {', '.join(failed)}", result)
        return result

    def memcheck(self):
        return self.sanitize("memcheck")

    def racecheck(self):
        return self.sanitize("racecheck")

    def bench(self):
        results = self.logs / "bench.json"
        results.unlink(missing_ok=True)
        log = self.logs / "bench.log"
        words = [str(self.build / "bin" / "kvscope_bench_gpu"), "--json", str(results), "--scratch", str(self.build)]
        status = run_logged(words + (["--quick"] if self.asked.quick else []), log, 3000)
        # What was measured before a failure counts.
        result = {"exit_status": status, "results": json.loads(results.read_text()) if results.exists() else None,
                  "log": tail(log, 200)}
        if status != 0:
            raise StepFailure(f"kvscope_bench_gpu: exit status {status}", result)
        return result

    def profiled(self, name, *options):
        """The tables of one run of kvscope profile on the GPU."""
        log = self.logs / f"{name}.log"
        words = [str(self.build / "bin" / "kvscope"), "profile", "--device", "cuda", "--json", *options]
        with open(log, "w") as errors:
            try:
                done = subprocess.run(words, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=600)
            except subprocess.TimeoutExpired as error:
                raise Failure("kvscope profile took longer than 600 s") from error
        if done.returncode != 0:
            raise Failure(f"kvscope profile {' '.join(options)}: exit status {done.returncode}: {tail(log)}")
        return json.loads(done.stdout)

    def profile(self):
        if not (self.build / "bin" / "kvscope").exists():
            raise Failure("kvscope is not built")
        trace = self.logs / "profile.json.gz"
        tables = self.profiled("profile", "--overhead", "--output", str(trace))
        # The same warm generations launched kernel by kernel and as graphs, one sample at a time (where launching weighs
        # most) and eight. What is captured is captured while warming up.
        graphs = []
        for batch in (1, 8):
            for turn, switch in enumerate(("off", "on", "on", "off")):
                found = self.profiled(f"graphs_{batch}_{turn}_{switch}", "--cuda-graphs", switch, "--batch", str(batch),
                                      "--warm-up", "3", "--repetitions", "10")
                graphs.append({"batch": batch, "asked": switch, "used": found["run"]["cuda_graphs"], "wall": found["wall"],
                               "phases": found["phases"]})
        unused = [run["batch"] for run in graphs if run["asked"] == "on" and not run["used"]]
        result = {"tables": tables, "trace_bytes": trace.stat().st_size, "graphs": graphs}
        if unused:
            raise StepFailure(f"graphs were asked for and not used with batches of {unused}", result)
        return result

    def step(self, name):
        say(name)
        start = time.monotonic()
        action = {"build": self.build_all}.get(name) or getattr(self, name)
        outcome = {"ok": True}
        try:
            outcome["result"] = action()
        except StepFailure as failure:
            outcome = {"ok": False, "error": str(failure), "result": failure.result}
        except Exception as error:  # whatever it is, the next step is tried
            outcome = {"ok": False, "error": f"{type(error).__name__}: {error}" if not isinstance(error, Failure) else str(error)}
        outcome["seconds"] = round(time.monotonic() - start, 3)
        self.document["steps"][name] = outcome
        self.write()
        if not outcome["ok"]:
            say(f"{name} failed: {outcome['error'][:2000]}")
        return outcome["ok"]


class StepFailure(Exception):
    """A failure that has something to show."""

    def __init__(self, text, result):
        super().__init__(text)
        self.result = result


def main():
    asked = arguments()
    run = Run(asked)
    ok = True
    has_gpu = run.gpu() is not None
    wanted = asked.steps.split(",")
    for name in STEPS:
        if name not in wanted:
            continue
        if name in NEED_GPU and not has_gpu:
            continue
        ok = run.step(name) and ok
    say(f"results: {run.json_path}")
    if not has_gpu and any(name in NEED_GPU for name in wanted):
        say("there is no GPU (nvidia-smi lists none): " + ", ".join(n for n in wanted if n in NEED_GPU) + " were not run")
        return 1 if not ok else 4
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
