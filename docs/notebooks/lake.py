# %% [markdown]
# # A lake in Python
#
# A notebook kept as text: Jupyter opens it through jupytext, VS Code and PyCharm as it is; `python` runs it as well.
# It makes a lake of four tables in the working folder, finds which of them are contained in others, sets these aside
# and brings them back.

# %%
from pathlib import Path

import pandas as pd

import lakebed

lake_folder = Path("lake")
lake_folder.mkdir()
orders = pd.DataFrame({"order_id": range(3_000), "customer_id": [i % 400 for i in range(3_000)]})
orders["amount"] = [i * 37 % 9_973 / 100 for i in range(3_000)]
customers = pd.DataFrame({"customer_id": range(400), "city": [f"city {i % 60}" for i in range(400)]})
orders.to_parquet(lake_folder / "orders.parquet", index=False)
orders[orders.amount > 50].to_parquet(lake_folder / "orders_large.parquet", index=False)
customers.to_parquet(lake_folder / "customers.parquet", index=False)
customers.head(100).to_parquet(lake_folder / "customers_first.parquet", index=False)

# %% [markdown]
# ## Run
#
# The same chain as `lakebed run`: one run at a time on an artifact root, with a record; what is up to date is reused.
# Progress shows below the cell.

# %%
lake = lakebed.open("lake", artifacts="artifacts")
run = lake.run(to="index")
run

# %% [markdown]
# ## Ask
#
# Answers show as tables in a notebook; they iterate typed rows, and become data frames or Arrow tables.

# %%
edges = run.containments()
assert [(one.child, one.parent) for one in edges] == [("customers_first", "customers"), ("orders_large", "orders")]
edges

# %%
lake.explain("orders_large")

# %%
joins = lake.joinable("orders.customer_id", k=3).to_pandas()
assert "customers.customer_id" in joins.name.tolist()
joins

# %%
lake.search("city 17")

# %% [markdown]
# Vectors are arrays, for whatever works on arrays.

# %%
names, vectors = lake.vectors("table")
likeness = pd.DataFrame(vectors @ vectors.T, index=names, columns=names)
likeness.round(2)

# %% [markdown]
# ## Act, and take it back
#
# A plan changes nothing. `apply` rebuilds each table from its parents and compares, before it moves the table to
# quarantine; `restore` brings it back.

# %%
plan = lake.plan()
plan.save("plan.json")
plan

# %%
done = plan.apply()
assert not (lake_folder / "orders_large.parquet").exists()
assert lake.open_table("orders_large").num_rows == (orders.amount > 50).sum()
lake.status().quarantine

# %%
back = lake.restore("orders_large", "customers_first")
assert (lake_folder / "orders_large.parquet").exists()
back.moved

# %% [markdown]
# ## Errors
#
# They are those of the command line: what is wrong, the value, what was expected, and what to do next.

# %%
try:
    lake.similar("order")
except lakebed.errors.ConfigError as error:
    print(error)
    assert error.hint.startswith("did you mean")

# %% [markdown]
# ## A graph alone
#
# Any edge list, without a lake and without Spark.

# %%
Path("edges.tsv").write_text("".join(f"{i}\t{j}\n" for i in range(20) for j in range(i) if i % 3 == j % 3))
graph = lakebed.summarize("edges.tsv")
assert len(graph.decode()) == graph.facts["n_edges"]
graph.neighbours(7), graph.embed(dim=16).vectors.shape
