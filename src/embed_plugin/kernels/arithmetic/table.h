/* The functions of one instruction set. Before this come its registers, its products, and how much it attends at a time. */
#pragma once

#include "attention.h"
#include "gate.h"
#include "gelu.h"
#include "norm.h"
#include "product.h"
#include "rotate.h"
#include "rule_attention.h"

#define TABLE(of, name_, multiply_)           \
  const Arithmetic of = {                     \
      .name = name_,                          \
      .quantise = quantise,                   \
      .multiply = multiply_,                  \
      .activate = activate,                   \
      .norm = norm,                           \
      .norm_and_quantise = norm_and_quantise, \
      .attend = attend,                       \
      .attend_heads = attend_heads,           \
      .sum_rows = sum_rows,                   \
      .scale_to_unit = scale_to_unit,         \
      .attend_by_rule = attend_by_rule,       \
      .gate = gate,                           \
      .rotate = rotate,                       \
      .multiply_rows = multiply_rows,         \
  }
