# The locked environment and the checkout, to run the pipeline in. The packages are a layer of their own, so that a
# change of the code installs nothing anew.
FROM python:3.12-slim-bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
WORKDIR /farfield
RUN python -m venv .venv && .venv/bin/python -m pip install --no-cache-dir --quiet uv==0.13.9
COPY requirements.lock ./
RUN .venv/bin/uv pip install --no-cache --quiet --python .venv/bin/python --require-hashes --requirement requirements.lock
COPY . .
RUN .venv/bin/uv pip install --no-cache --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . \
    && touch .venv/installed
CMD ["make", "repro"]
