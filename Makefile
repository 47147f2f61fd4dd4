# make book    run every notebook (SIZE=smoke|cpu|gpu, default cpu) and build the book
# make read    build the book from the committed outputs, running nothing
# make pdf     that book as one PDF, build/book.pdf (needs Chromium)
# make test    static checks, pytest with doctests, nbval on the smoke size
# make verify  run every notebook and compare verdicts with the committed ones
# make record  keep that run: outputs to notebooks/, records to results/
# make colab   every notebook at smoke size on what Colab has (TORCH=oldest|newest,
#              COLAB_PYTHON=python3.11)
# make teaching  the notebooks for students (no solutions) and for instructors
# make lab     JupyterLab in the environment
# make lock    solve requirements.lock anew (PyPI alone)
# make clean   remove build/ and .venv/

PYTHON ?= python3
COLAB_PYTHON ?= $(PYTHON)
SIZE ?= cpu
JOBS ?= 2
TORCH ?= newest
BIN := .venv/bin
READY := .venv/.ready

NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))
EXECUTED := $(NOTEBOOKS:notebooks/%=build/executed/$(SIZE)/%)
CHECKED := $(NOTEBOOKS:notebooks/%=build/nbval/%)
LIBRARY := $(shell find src/geomlib -name '*.py' -o -name '*.mplstyle' -o -name '*.json')

# One thread a kernel: two run side by side, and sums come out in one order.
export OMP_NUM_THREADS := 1
export GEOMLIB_QUIET := 1

.PHONY: book read pdf test verify record colab teaching lab lock clean executed
.DELETE_ON_ERROR:

ifeq ($(filter $(SIZE),smoke cpu gpu),)
$(error SIZE must be one of smoke, cpu, gpu, got '$(SIZE)')
endif

book: $(READY)
	@$(MAKE) --no-print-directory -j$(JOBS) executed
	@$(BIN)/python tools/build_book.py --executed build/executed/$(SIZE) --results build/results/$(SIZE)

read: $(READY)
	@$(BIN)/python tools/build_book.py --executed notebooks --results results/cpu

pdf: read
	@$(BIN)/python tools/print_book.py

executed: $(EXECUTED)

build/executed/$(SIZE)/%.ipynb: notebooks/%.ipynb $(LIBRARY) tools/execute.py $(READY)
	@$(BIN)/python tools/execute.py $< --size $(SIZE)

verify: $(READY)
	@$(MAKE) --no-print-directory -j$(JOBS) SIZE=cpu executed
	@$(BIN)/python tools/verify.py build/results/cpu results/cpu

record: $(READY)
	@$(MAKE) --no-print-directory -j$(JOBS) executed
	@$(BIN)/python tools/record.py $(NOTEBOOKS) --size $(SIZE)

test: $(READY) $(CHECKED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pytest -n $(JOBS)
	GEOMLIB_RESULTS=$(CURDIR)/build/nbval/results $(BIN)/pytest -c build/nbval/pytest.ini \
	    --nbval-lax --nbval-current-env -n $(JOBS) --dist loadfile build/nbval

build/nbval/%.ipynb: notebooks/%.ipynb $(READY)
	@mkdir -p build/nbval
	@touch build/nbval/pytest.ini
	@$(BIN)/papermill --prepare-only --log-level ERROR -p size smoke $< $@

colab: $(READY)
	@$(BIN)/python tools/colab.py --torch $(TORCH) --python $(COLAB_PYTHON) $(NOTEBOOKS)

teaching: $(READY)
	@$(BIN)/python tools/teaching.py $(NOTEBOOKS)

lab: $(READY)
	$(BIN)/jupyter lab

lock:
	uv pip compile --no-config --universal --python-version 3.11 --generate-hashes \
	    --no-header --extra book --extra test --extra cluster pyproject.toml -o requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python must be 3.11 to 3.13, got {v[0]}.{v[1]}. Name one: make PYTHON=python3.12")'
	@echo "setting up .venv (about two minutes, 6 GB)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

clean:
	rm -rf build .venv
