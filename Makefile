# make repro                      run the pipeline of the committed parameters
#   [JOBS=2] stages at once, 1 for plain `dvc repro` [DEVICES=cuda:0,cuda:1] one for each of them
# make repro PROFILE=mini MIRROR=path/to/archives
# make evaluate DATA=path/to/class/folders  which method suits your own images, and a classifier of them
#   [METHODS=fixed,ft_all] [SHOTS=5] [EPISODES=100] [ADAPTED_EPISODES=10] [OUT=evaluation]
# make predict IMAGES=path/to/images [CLASSIFIER=evaluation/classifier]
# make test | bench | lint | site
# Each target first makes .venv from requirements.lock; Python 3.11 or 3.12, git and make suffice.
PYTHON ?= $(firstword $(shell command -v python3.11 2>/dev/null) $(shell command -v python3.12 2>/dev/null) python3)
UV_VERSION := 0.13.9
JOBS ?= 2
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
ifdef MIRROR
export FARFIELD_MIRROR := $(abspath $(MIRROR))
endif

.PHONY: repro evaluate predict site test bench lint lock clean-scratch

repro: .venv/installed
ifdef PROFILE
	python -m stages.compose profile=$(PROFILE)
endif
ifeq ($(JOBS)$(STAGE),1)
	dvc repro
else ifdef STAGE
	dvc repro $(STAGE)
else
	@python -m stages.side_by_side $(JOBS) $(DEVICES)
endif

site: .venv/installed
	dvc repro report
	@echo "open $(CURDIR)/site/index.html"

evaluate: .venv/installed
	$(if $(DATA),,$(error DATA is missing: make evaluate DATA=path/to/class/folders))
	@python -m stages.evaluate "$(DATA)" $(if $(METHODS),--methods "$(METHODS)") $(if $(SHOTS),--shots $(SHOTS)) \
		$(if $(EPISODES),--episodes $(EPISODES)) $(if $(OUT),--out "$(OUT)") \
		$(if $(ADAPTED_EPISODES),--adapted-episodes $(ADAPTED_EPISODES))

predict: .venv/installed
	$(if $(IMAGES),,$(error IMAGES is missing: make predict IMAGES=path/to/images))
	@python -m stages.predict "$(or $(CLASSIFIER),evaluation/classifier)" "$(IMAGES)"

# A process for each core, and one thread in each; the tests of a file stay together.
test: .venv/installed
	OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile $(TESTS)

bench: .venv/installed
	python -m pytest tests/benchmarks --benchmark-only $(BENCH)

lint: .venv/installed
	ruff check .
	ruff format --check .
	mypy

# Only after a change of the dependencies in pyproject.toml.
lock: .venv/installed
	uv pip compile pyproject.toml --extra dev --extra s3 --extra ssh --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.lock

clean-scratch:
	rm -rf .farfield

# uv finds torch and torchvision builds that fit each other, and takes seconds where pip takes minutes.
.venv/installed: requirements.lock
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	command -v uv >/dev/null || .venv/bin/python -m pip install --quiet uv==$(UV_VERSION)
	uv pip install --quiet --python .venv/bin/python --require-hashes --requirement requirements.lock
	touch $@
