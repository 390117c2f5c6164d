"""The loss of a batch, by the quickest way that the device has.

    trainer = trainer_kind()(model=model, args=SFTConfig(...), ...)

TRL 1.16 never holds all logits: it goes through the output layer in tiles, there and again on the way back, and works
out entropy and accuracy as it goes. On a GPU its own kernels do that at next to no cost, and memory is what is short,
so nothing is changed there. On a CPU the same is plain torch, over every token, those of the prompt too.
"""

import inspect
from typing import Any

from train.templates import MASKED

MOST_LOGITS = 1 << 27
"""That are held at once, at up to 16 bytes each on the way back: 2 GB, which TRL's tiles take too on a CPU, for rows of
some thousand tokens. Above that, tiles save memory there as well."""


def trainer_kind(most_logits: int = MOST_LOGITS) -> Any:
    """TRL's SFTTrainer, which on a CPU makes the logits of the trained tokens only, and takes cross entropy of them.

    The loss is the same but for rounding. Entropy and accuracy, which TRL tells of every step, are then not worked out.
    """
    import torch
    from torch.nn.functional import cross_entropy
    from trl import SFTTrainer

    class Trainer(SFTTrainer):  # type: ignore[misc]
        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            targets = inputs["labels"][:, 1:]
            kept = (targets != MASKED).any(0).nonzero().flatten()
            logits = len(targets) * len(kept) * self.model.config.get_text_config().vocab_size
            on_cpu = targets.device.type == "cpu" and _can_choose_logits(self.model)
            if not on_cpu or logits > most_logits or return_outputs or not model.training or self.aux_loss_enabled:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            given = {name: value for name, value in inputs.items() if name != "labels"}
            found = model(**given, use_cache=False, logits_to_keep=kept).logits
            targets = targets[:, kept].flatten()
            loss = cross_entropy(found.flatten(0, 1).float(), targets, ignore_index=MASKED, reduction="sum")
            if num_items_in_batch is None:
                loss = loss / (targets != MASKED).sum().clamp(min=1)
            else:  # counted over all processes, whose gradients are averaged
                loss = loss / torch.as_tensor(num_items_in_batch).clamp(min=1) * self.accelerator.num_processes
            real = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).sum()
            self._total_train_tokens += int(self.accelerator.gather_for_metrics(real).sum())
            self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
            return loss

    return Trainer


def _can_choose_logits(model: Any) -> bool:
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(base.forward).parameters
